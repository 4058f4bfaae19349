// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/kube"
	"github.com/ingress-auth/conformance/suites/platform/pki"
)

// material are the secrets of one cluster: the run's authority, what it issued, and what the proxies and the identity
// provider share. They are kept in the cluster, so that a later run finds everything as it was and changes nothing.
type material struct {
	authority                   *pki.CA
	wildcardCert, wildcardKey   string
	admissionCert, admissionKey string
	clientSecret, cookieSecret  string
	authorityCert, authorityKey string
}

const (
	materialName = "ingress-auth-run"
	// renewBefore is how much longer certificates have to be valid to be used again.
	renewBefore = 24 * time.Hour
)

// loadMaterial finds the secrets of the cluster, or makes them.
func loadMaterial(ctx context.Context, client *kube.Client, now func() time.Time) (*material, error) {
	secret, err := client.Get(ctx, kube.Secret, GatewayNamespace, materialName)
	if err == nil {
		if m, err := readMaterial(secret, now); err == nil {
			return m, nil
		}
	} else if !kube.IsNotFound(err) {
		return nil, fmt.Errorf("find the run's certificates: %w", err)
	}
	m, err := newMaterial(now)
	if err != nil {
		return nil, err
	}
	if _, err := client.Apply(ctx, []*kube.Object{m.secret()}, kube.ApplyOptions{}); err != nil {
		return nil, fmt.Errorf("keep the run's certificates: %w", err)
	}
	return m, nil
}

func newMaterial(now func() time.Time) (*material, error) {
	ca, err := pki.New(now, "ingress-auth-conformance run")
	if err != nil {
		return nil, err
	}
	wildcardCert, wildcardKey, err := ca.Issue("*."+Domain, Domain)
	if err != nil {
		return nil, err
	}
	// A webhook is called by the name of its Service.
	admissionCert, admissionKey, err := ca.Issue("*."+GatewayNamespace+".svc", "*."+GatewayNamespace+".svc.cluster.local")
	if err != nil {
		return nil, err
	}
	return &material{
		authority: ca, authorityCert: string(ca.CertPEM()), authorityKey: string(ca.KeyPEM()),
		wildcardCert: string(wildcardCert), wildcardKey: string(wildcardKey),
		admissionCert: string(admissionCert), admissionKey: string(admissionKey),
		clientSecret: randomSecret(), cookieSecret: randomSecret(),
	}, nil
}

// randomSecret is 32 random bytes, as the proxy wants its cookie secret.
func randomSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return base64.URLEncoding.EncodeToString(b[:])
}

func (m *material) fields() map[string]*string {
	return map[string]*string{
		"ca.crt": &m.authorityCert, "ca.key": &m.authorityKey,
		"wildcard.crt": &m.wildcardCert, "wildcard.key": &m.wildcardKey,
		"admission.crt": &m.admissionCert, "admission.key": &m.admissionKey,
		"client-secret": &m.clientSecret, "cookie-secret": &m.cookieSecret,
	}
}

func (m *material) secret() *kube.Object {
	data := map[string]any{}
	for name, value := range m.fields() {
		data[name] = base64.StdEncoding.EncodeToString([]byte(*value))
	}
	return &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{"name": materialName, "namespace": GatewayNamespace},
		"data":     data,
	}}
}

func readMaterial(secret *kube.Object, now func() time.Time) (*material, error) {
	data, _ := secret.Object["data"].(map[string]any)
	m := &material{}
	for name, into := range m.fields() {
		encoded, _ := data[name].(string)
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(value) == 0 {
			return nil, fmt.Errorf("secret %s lacks %s", materialName, name)
		}
		*into = string(value)
	}
	ca, err := pki.Load(now, []byte(m.authorityCert), []byte(m.authorityKey))
	if err != nil {
		return nil, err
	}
	if now().Add(renewBefore).After(ca.NotAfter()) {
		return nil, fmt.Errorf("the run's certificates end %s", ca.NotAfter())
	}
	m.authority = ca
	return m, nil
}
