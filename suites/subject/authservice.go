// SPDX-License-Identifier: Apache-2.0

package subject

import "time"

// AuthService is one deployed variant of the reference proxy.
type AuthService struct {
	// Name is its placeholder and Service name: "proxy", "proxy-domain" …
	Name string
	// Host is the first label of the public host its sign-in pages live on: "auth", "auth-domain" …
	Host string
	// Args are the proxy's flags beyond those every variant has (issuer, client, secrets, cookie domain).
	Args []string
	// StoreAway says that its session store never answers: it serves, and is never ready.
	StoreAway bool
}

// AuthServices lists the variants a run deploys. Every variant has: issuer https://idp.<domain> with discovery on the
// inside address, cookie domain and whitelist .<domain>, client "ingress-auth", redirect URL
// https://<host>.<domain>/oauth2/callback, X-Auth-Request-* headers, bearer tokens allowed.
func AuthServices() []AuthService {
	return []AuthService{
		{Name: "proxy", Host: "auth"},
		{Name: "proxy-domain", Host: "auth-domain", Args: []string{"--email-domain=allowed.example", "--cookie-name=_domain"}},
		{Name: "proxy-short", Host: "auth-short", Args: []string{"--cookie-expire=1s", "--cookie-name=_short"}},
		{Name: "proxy-host", Host: "auth-host", Args: []string{"--cookie-name=__Host-session", "--cookie-domain=", "--skip-provider-button"}},
		{Name: "proxy-hasty", Host: "auth-hasty", Args: []string{"--cookie-csrf-expire=1s", "--cookie-name=_hasty"}},
		{Name: "proxy-upstream", Host: "upstream", Args: []string{"--upstream={upstream}", "--cookie-name=_upstream"}},
		// Three that share cookie name, cookie secret and session store: two replicas, each with a host of its own so that a check
		// can choose, and one that cannot reach the store.
		{Name: storeReplica, Host: "auth-redis", Args: append(sharedSessions("{redis}"), backchannelLogout)},
		{Name: "proxy-redis-2", Host: "auth-redis-2", Args: append(sharedSessions("{redis}"), backchannelLogout)},
		{Name: "proxy-redis-away", Host: "auth-redis-away", Args: sharedSessions("redis://{redis-away}"), StoreAway: true},
		// Three that renew sessions soon: one by itself, two that share a session store.
		{Name: "proxy-renew", Host: "auth-renew", Args: append(renewal(), "--cookie-name=_renew")},
		{Name: "proxy-redis-renew", Host: "auth-redis-renew", Args: append(renewal(), sharedSessions("{redis}")...)},
		{Name: "proxy-redis-renew-2", Host: "auth-redis-renew-2", Args: append(renewal(), sharedSessions("{redis}")...)},
	}
}

// RenewalAge is the age at which some auth services renew a session.
const RenewalAge = 2 * time.Second

const cookieRefresh = "--cookie-refresh"

// renewal asks for refresh tokens, and uses them.
func renewal() []string {
	return []string{cookieRefresh + "=" + RenewalAge.String(), "--scope=openid email profile groups offline_access"}
}

// storeReplica is the variant that the identity provider tells of logouts.
const storeReplica = "proxy-redis"

const backchannelLogout = "--backchannel-logout"

func sharedSessions(url string) []string {
	return []string{"--cookie-name=_redis", "--session-store-type=redis", "--redis-connection-url=" + url}
}
