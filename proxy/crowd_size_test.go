// SPDX-License-Identifier: Apache-2.0

//go:build !redisserver

package proxy

// crowdSize is small where tests are to be quick; make test-redis takes more.
const crowdSize = 200
