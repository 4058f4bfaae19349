// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// candidatePools are tried in order. None overlaps kind's pod (10.244.0.0/16) and service (10.96.0.0/16) networks.
var candidatePools = [...]string{
	"172.31.240.0/20", "172.30.240.0/20", "172.29.240.0/20", "172.28.240.0/20", "192.168.240.0/20", "192.168.208.0/20",
	"10.213.240.0/20", "10.187.240.0/20", "10.151.240.0/20",
}

// freePool returns the first candidate that overlaps none of the networks in use.
func freePool(inUse []netip.Prefix) (netip.Prefix, error) {
	for _, candidate := range candidatePools {
		pool := netip.MustParsePrefix(candidate)
		if !overlapsAny(pool, inUse) {
			return pool, nil
		}
	}
	return netip.Prefix{}, errors.New("every private network that the engine could use is in use on this host")
}

func overlapsAny(pool netip.Prefix, others []netip.Prefix) bool {
	for _, other := range others {
		if pool.Overlaps(other) {
			return true
		}
	}
	return false
}

// networksInUse are the networks of the interfaces and the routes, without the default route.
func networksInUse() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the host's addresses: %w", err)
	}
	var networks []netip.Prefix
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			networks = append(networks, prefix.Masked())
		}
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, fmt.Errorf("listing the host's routes: %w", err)
	}
	return append(networks, parseRoutes(string(routes))...), nil
}

// parseRoutes reads /proc/net/route: destination and mask are columns 2 and 8, in hexadecimal, in host byte order.
func parseRoutes(table string) []netip.Prefix {
	var networks []netip.Prefix
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) < 8 {
			continue
		}
		destination, err := strconv.ParseUint(columns[1], 16, 32)
		mask, maskErr := strconv.ParseUint(columns[7], 16, 32)
		if err != nil || maskErr != nil || mask == 0 {
			continue
		}
		var address [4]byte
		binary.NativeEndian.PutUint32(address[:], uint32(destination))
		networks = append(networks, netip.PrefixFrom(netip.AddrFrom4(address), bits.OnesCount32(uint32(mask))).Masked())
	}
	return networks
}
