// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"time"
)

// Store keeps sessions outside the browser, for all replicas of a proxy (see ticketstore.go). Package redisstore has one
// for Redis and Valkey. What it gets is encrypted, and its keys tell nothing: who reads it learns nothing, and who writes
// it can end sessions and bring back ended ones, but not make or change one.
//
// An error says that the store could not be asked. Methods are called concurrently.
type Store interface {
	// Get returns the value under key; found is false when there is none.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// Create stores value for ttl unless key is there, and says whether it did.
	Create(ctx context.Context, key string, value []byte, ttl time.Duration) (created bool, err error)
	// Replace stores value for ttl if key is there, and says whether it did.
	Replace(ctx context.Context, key string, value []byte, ttl time.Duration) (replaced bool, err error)
	// Delete deletes keys; those that are not there are no error.
	Delete(ctx context.Context, keys ...string) error
	// DeleteIf deletes key if it has this value, in one step.
	DeleteIf(ctx context.Context, key string, value []byte) error
	// AddMember adds member to a set for ttl.
	AddMember(ctx context.Context, set, member string, ttl time.Duration) error
	// Members returns the members of a set; there may be some whose time is over.
	Members(ctx context.Context, set string) ([]string, error)
}
