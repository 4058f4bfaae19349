// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"net/http"
	"testing"
)

func TestTheGRPCBackendSpeaksHTTP2WithoutTLSAndTheOtherHTTP1(t *testing.T) {
	s, err := Start(t.Context(), Config{Listen: map[Role]string{RoleBackend: "127.0.0.1:0", RoleGRPC: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	for role, want := range map[Role]int{RoleBackend: 1, RoleGRPC: 2} {
		p := new(http.Protocols)
		p.SetHTTP1(role == RoleBackend)
		p.SetUnencryptedHTTP2(role == RoleGRPC)
		client := http.Client{Transport: &http.Transport{Protocols: p}}
		r, err := client.Get("http://" + s.Addr(role) + "/")
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		r.Body.Close()
		client.CloseIdleConnections()
		if r.ProtoMajor != want {
			t.Errorf("%s speaks HTTP/%d, want %d", role, r.ProtoMajor, want)
		}
	}
}
