// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/alicebob/miniredis/v2"

	"github.com/ingress-auth/conformance/proxy/redisstore"
)

// startRedis starts the session store that auth services share: a stand-in, because a real one is a program that not every
// machine has. make test-redis tries the proxy with a real one, and a cluster has one.
func (s *localSubject) startRedis() error {
	redisstore.Quiet()
	s.redis = miniredis.NewMiniRedis()
	if err := s.redis.Start(); err != nil {
		return fmt.Errorf("start the session store: %w", err)
	}
	s.onClose(func(context.Context) error { s.redis.Close(); return nil })
	return nil
}

// missing is what this subject lacks, and why.
func (s *localSubject) missing() map[Feature]string {
	missing := nginxMissing()
	if s.options.AuthService != nil {
		maps.Copy(missing, map[Feature]string{
			FeatureStoreAway:         "oauth2-proxy ends at its start when its session store cannot be reached",
			FeatureBackchannelLogout: "oauth2-proxy has no back-channel logout",
			FeatureTracedRenewals:    "oauth2-proxy sends no X-Request-Id to the identity provider, so its renewals cannot be told apart",
		})
	}
	return missing
}

func (s *localSubject) isStoreAway(service string) bool {
	return slices.ContainsFunc(AuthServices(), func(a AuthService) bool { return a.Name == service && a.StoreAway })
}
