// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestWithRand_RepeatsCodes(t *testing.T) {
	code := func() string {
		s := newIDP(t, autoLogin("alice"), mockidp.WithRand(rand.NewChaCha8([32]byte{1})))
		return s.code("alice")
	}
	if first, second := code(), code(); first != second {
		t.Errorf("%s, then %s", first, second)
	}
}

// TestProvider_ManyBrowsersAtOnce is for the race detector.
func TestProvider_ManyBrowsersAtOnce(t *testing.T) {
	shared := newIDP(t, autoLogin("alice"))
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			s := *shared
			s.browser = s.newBrowser()
			a := s.authorize("scope", "openid offline_access")
			location, err := a.Location()
			if err != nil {
				t.Error(err)
				return
			}
			first := s.token(codeParams(location.Query().Get("code")))
			if first.StatusCode != 200 {
				t.Errorf("status %d", first.StatusCode)
				return
			}
			got := s.tokens(first)
			if a := s.refresh(got.RefreshToken); a.StatusCode != 200 {
				t.Errorf("status %d", a.StatusCode)
			}
			if a := s.endSession("id_token_hint", got.IDToken); a.StatusCode != 200 {
				t.Errorf("status %d", a.StatusCode)
			}
		})
	}
	done.Wait()
}

// WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for text, 3 for the borders of controls and the focus ring, in both colour schemes.
func TestStyle_HasContrast(t *testing.T) {
	style, err := os.ReadFile("pages/style.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`--text: [^}]*`).FindAllString(string(style), -1)
	if len(schemes) != 2 {
		t.Fatalf("%d colour schemes, want light and dark", len(schemes))
	}
	for _, scheme := range schemes {
		luminance := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): #(\w{6})`).FindAllStringSubmatch(scheme, -1) {
			luminance[m[1]] = relativeLuminance(t, m[2])
		}
		for name, least := range map[string]float64{"text": 4.5, "problem": 4.5, "line": 3, "accent": 3} {
			light, dark := max(luminance[name], luminance["page"]), min(luminance[name], luminance["page"])
			if ratio := (light + 0.05) / (dark + 0.05); ratio < least {
				t.Errorf("%s has a contrast of %.1f, want %.1f, in %s", name, ratio, least, scheme)
			}
		}
	}
}

func relativeLuminance(t *testing.T, hex string) float64 {
	t.Helper()
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(v) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
