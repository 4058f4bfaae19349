// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// privateNetworks are where the proxies in front of this one usually are: loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3),
// private (RFC 1918, RFC 4193) and shared (RFC 6598) addresses.
var privateNetworks = []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}

// trustedProxies are the networks whose X-Forwarded-Host and X-Forwarded-Proto count.
type trustedProxies []netip.Prefix

func parseTrustedProxies(entries []string) (trustedProxies, error) {
	if len(entries) == 0 {
		entries = privateNetworks
	}
	var out trustedProxies
	for _, entry := range entries {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			address, err := netip.ParseAddr(entry)
			if err != nil || address.Zone() != "" {
				return nil, fmt.Errorf("--trusted-proxy-ip=%q is neither an IP address nor a network: use 10.0.0.7 or 10.0.0.0/8", entry)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		out = append(out, prefix)
	}
	return out, nil
}

func (t trustedProxies) contain(remote string) bool {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	ip := address.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// behindProxy says whether a proxy that may say so has forwarded r.
func (p *Proxy) behindProxy(r *http.Request) bool {
	return p.cfg.ReverseProxy && p.trusted.contain(r.RemoteAddr)
}
