// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"fmt"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// firstRelayPort is the port of the stand-ins' container from which relays listen.
const firstRelayPort = 8100

// clusterRelay stands before a real part in a cluster: the part's Service leads to it, and it passes on to the Service of
// the part itself.
type clusterRelay struct {
	service, namespace string
	from, to           exchange.Party
	instance           string
	// portName and port are those of the Service; listen is the relay's own.
	portName     string
	port, listen int
}

// clusterRelays stand before the identity provider, with one port for gateways and one for relying parties, and before
// each auth service.
func clusterRelays(namespace string) []clusterRelay {
	relays := []clusterRelay{
		{service: idpService, from: exchange.Gateway, to: exchange.IdP, portName: "http", port: 80},
		{service: idpService, from: exchange.AuthService, to: exchange.IdP, portName: "backchannel", port: backchannelPort},
	}
	for _, service := range AuthServices() {
		relays = append(relays, clusterRelay{
			service: service.Name, from: exchange.Gateway, to: exchange.AuthService, instance: service.Name, portName: "http", port: 80,
		})
	}
	for i := range relays {
		relays[i].namespace, relays[i].listen = namespace, firstRelayPort+i
	}
	return relays
}

// Arg is the flag of the stand-ins' program. The dot at the end spares the search for the name in other domains.
func (r clusterRelay) Arg() string {
	return fmt.Sprintf("--relay=from=%s,to=%s,instance=%s,listen=:%d,target=%s.%s.svc.cluster.local.:80",
		r.from, r.to, r.instance, r.listen, origin(r.service), r.namespace)
}

// relayService is a Service by which a real part is reached through relays.
type relayService struct {
	Name  string
	Ports []relayPort
}

type relayPort struct {
	Name         string
	Port, Target int
}

func relayServices(namespace string) []relayService {
	var services []relayService
	for _, r := range clusterRelays(namespace) {
		if n := len(services); n == 0 || services[n-1].Name != r.service {
			services = append(services, relayService{Name: r.service})
		}
		last := &services[len(services)-1]
		last.Ports = append(last.Ports, relayPort{Name: r.portName, Port: r.port, Target: r.listen})
	}
	return services
}
