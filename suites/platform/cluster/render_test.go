// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	kindconfig "github.com/ingress-auth/conformance/kind-config"
)

func TestRenderAddsWhatTheHostAndTheRunNeed(t *testing.T) {
	ports := []PortMapping{{Name: "http", NodePort: 30080}, {Name: "https", NodePort: 30443, HostPort: 8443}}
	base := Options{Name: "x", NodeImage: "node:1", Ports: ports}
	restricted, static := base, base
	restricted.Restricted = true
	static.StaticCNI = true
	cases := []struct {
		name                string
		options             Options
		host                host
		kubeadm, containerd []string // words of the patches
		without             []string
		noCNI               bool
	}{
		{"a usual host", base, host{}, []string{"unsafe-no-fsync"}, nil, []string{"KubeletInUserNamespace", "failCgroupV1", "restrict_oom_score_adj"}, false},
		{"a host without all capabilities", restricted, host{}, []string{"KubeletInUserNamespace"}, []string{"version = 2", "version = 3"}, []string{"failCgroupV1"}, false},
		{"cgroup v1", base, host{cgroupV1: true}, []string{"failCgroupV1: false"}, nil, []string{"KubeletInUserNamespace"}, false},
		{"a node image with its own network", static, host{}, nil, nil, nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, err := render(c.options, c.host)
			if err != nil {
				t.Fatal(err)
			}
			kubeadm, containerd := strings.Join(config.KubeadmConfigPatches, "\n"), strings.Join(config.ContainerdConfigPatches, "\n")
			for _, words := range c.kubeadm {
				if !strings.Contains(kubeadm, words) {
					t.Errorf("no kubeadm patch says %q", words)
				}
			}
			for _, words := range c.containerd {
				if !strings.Contains(containerd, words) {
					t.Errorf("no containerd patch says %q", words)
				}
			}
			for _, words := range c.without {
				if strings.Contains(kubeadm+containerd, words) {
					t.Errorf("a patch says %q without need", words)
				}
			}
			if config.Networking.DisableDefaultCNI != c.noCNI {
				t.Errorf("disableDefaultCNI is %v", config.Networking.DisableDefaultCNI)
			}
			want := []v1alpha4.PortMapping{
				{ContainerPort: 30080, HostPort: 0, ListenAddress: "127.0.0.1", Protocol: "TCP"},
				{ContainerPort: 30443, HostPort: 8443, ListenAddress: "127.0.0.1", Protocol: "TCP"},
			}
			if got := config.Nodes[0].ExtraPortMappings; !slices.Equal(got, want) {
				t.Errorf("ports %+v", got)
			}
			if config.Name != "x" || config.Nodes[0].Image != "node:1" {
				t.Errorf("name %q, image %q", config.Name, config.Nodes[0].Image)
			}
		})
	}
}

func TestRenderRefusesOtherConfigurations(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":          "{",
		"an unknown field": "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]\nport: 1",
		"another kind":     "kind: Pod\napiVersion: v1",
		"two nodes":        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}, {role: worker}]",
		"no node":          "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4",
	} {
		if _, err := render(Options{Config: []byte(text)}, host{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add(kindconfig.Cluster)
	f.Add([]byte("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]"))
	f.Fuzz(func(t *testing.T, config []byte) {
		if rendered, err := render(Options{Config: config, NodeImage: "n"}, host{}); err == nil && rendered.Nodes[0].Image != "n" {
			t.Error("another image")
		}
	})
}

func TestThePatchesAreWhatTheyPatch(t *testing.T) {
	for name, text := range map[string]string{"restricted": kindconfig.RestrictedKubelet, "cgroup v1": kindconfig.CgroupV1Kubelet} {
		var patch struct{ Kind string }
		if err := yaml.Unmarshal([]byte(text), &patch); err != nil || patch.Kind != "KubeletConfiguration" {
			t.Errorf("%s: kind %q, %v", name, patch.Kind, err)
		}
	}
}
