// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func sample(t *testing.T) *Contract {
	t.Helper()
	c, err := Load(os.DirFS("testdata"), "contract")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadReadsAndSortsEveryFile(t *testing.T) {
	c := sample(t)
	var ids []string
	for _, r := range c.All() {
		ids = append(ids, r.ID)
	}
	want := "BACKEND-401-PASS BACKEND-401-SNIPPET-ANNOTATION STATUS-AUTH-401-NO-SESSION STATUS-AUTH-503-RETRY-AFTER STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS"
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("ids = %s\nwant  %s", got, want)
	}
	r, err := c.Lookup("BACKEND-401-PASS")
	if err != nil {
		t.Fatal(err)
	}
	if r.Profile != Core || r.Area != "backend-401" || r.Row != "B1" || r.DeclaredAt != "contract/backend-401.yaml:5" {
		t.Errorf("profile %q, area %q, row %q, declared at %q", r.Profile, r.Area, r.Row, r.DeclaredAt)
	}
	if strings.Contains(r.Why, "\n") || !strings.HasSuffix(r.Why, "the identity provider.") {
		t.Errorf("the folded text is not one line: %q", r.Why)
	}
}

const good = `area: a-b
profile: core
requirements:
  - id: GOOD-ONE
    level: MUST
    sentence: It holds.
    sources: [{text: RFC 9110, url: "https://www.rfc-editor.org/rfc/rfc9110"}]
`

func TestLoadRefusesMistakesWithFileAndLine(t *testing.T) {
	second := strings.NewReplacer("GOOD-ONE", "GOOD-TWO").Replace(good[strings.Index(good, "  - id"):])
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown field":             {good + "    sentense: x\n", `c/x.yaml:8: unknown field "sentense"`},
		"unknown top-level field":   {good + "areas: x\n", `c/x.yaml:8: unknown field "areas"`},
		"duplicate key":             {good + "    level: MAY\n", `c/x.yaml:8: mapping key "level" already defined at line 5`},
		"duplicate id":              {good + good[strings.Index(good, "  - id"):], `c/x.yaml:8: the id GOOD-ONE is already taken by c/x.yaml:4`},
		"bad id form":               {good + strings.Replace(second, "GOOD-TWO", "Good_Two", 1), `c/x.yaml:8: the id "Good_Two" is not made of`},
		"single-word id":            {good + strings.Replace(second, "GOOD-TWO", "GOOD", 1), `c/x.yaml:8: the id "GOOD" is not made of`},
		"id ends in hyphen":         {good + strings.Replace(second, "GOOD-TWO", "GOOD-", 1), `c/x.yaml:8: the id "GOOD-" is not made of`},
		"no id":                     {good + strings.Replace(second, "id: GOOD-TWO", "id: ''", 1), `c/x.yaml:8: the requirement has no id`},
		"no source":                 {good + second[:strings.Index(second, "    sources")], `c/x.yaml:8: GOOD-TWO has no source`},
		"no sentence":               {good + strings.Replace(second, "It holds.", "''", 1), `c/x.yaml:8: GOOD-TWO has no sentence`},
		"unknown level":             {good + strings.Replace(second, "MUST", "must", 1), `c/x.yaml:8: GOOD-TWO: the level "must" is none of MUST, SHOULD, MAY`},
		"unknown profile":           {strings.Replace(good, "core", "cor", 1), `c/x.yaml:4: GOOD-ONE: the profile "cor" is none of`},
		"no area":                   {strings.Replace(good, "area: a-b\n", "", 1), `c/x.yaml:3: GOOD-ONE: the area ""`},
		"source without address":    {good + strings.Replace(second, "https://www.rfc-editor.org/rfc/rfc9110", "rfc9110", 1), `c/x.yaml:8: GOOD-TWO: the source "RFC 9110" has no absolute`},
		"source with script scheme": {strings.Replace(good, "https://www.", "javascript://www.", 1), `c/x.yaml:4: GOOD-ONE: the source "RFC 9110" has no absolute`},
		"bad row":                   {good + "    row: b-1\n", `c/x.yaml:4: GOOD-ONE: the row "b-1"`},
		"bad feature":               {good + "    features: [Auth URL]\n", `c/x.yaml:4: GOOD-ONE: the feature "Auth URL"`},
		"wrong type":                {good + "    features: auth\n", `c/x.yaml:8: cannot unmarshal`},
		"syntax":                    {"area: [", `c/x.yaml:1:`},
		"empty file":                {"# nothing\n", `c/x.yaml: lists no requirements`},
		"two documents":             {good + "---\n" + good, `c/x.yaml: holds more than one YAML document`},
		"null document":             {"---\n", `c/x.yaml: lists no requirements`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"c/x.yaml": {Data: []byte(c.yaml)}}, "c")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v\nwant it to hold: %s", err, c.want)
			}
		})
	}
}

func TestLoadNamesTheOtherFileOfADuplicate(t *testing.T) {
	_, err := Load(fstest.MapFS{"c/a.yaml": {Data: []byte(good)}, "c/b.yaml": {Data: []byte(good)}}, "c")
	if err == nil || !strings.Contains(err.Error(), "c/b.yaml:4: the id GOOD-ONE is already taken by c/a.yaml:4") {
		t.Error(err)
	}
}

func TestLoadNeedsFiles(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"no folder":    {},
		"no yaml file": {"c/readme.md": {}},
		"a .yml file":  {"c/a.yaml": {Data: []byte(good)}, "c/b.yml": {Data: []byte(good)}},
	} {
		if _, err := Load(fsys, "c"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLookupSuggestsTheNearestID(t *testing.T) {
	c := sample(t)
	for name, want := range map[string]string{
		"BACKEND-401-PAS":            "BACKEND-401-PASS",
		"STATUS-AUTH-401-NOSESSION":  "STATUS-AUTH-401-NO-SESSION",
		"status-auth-401-no-sesion":  "STATUS-AUTH-401-NO-SESSION",
		"STATUS-AUTH-401":            "STATUS-AUTH-401-NO-SESSION",
		"COMPLETELY-DIFFERENT-THING": "",
		"":                           "",
	} {
		_, err := c.Lookup(name)
		unknown, ok := err.(*UnknownError)
		if !ok {
			t.Errorf("Lookup(%q): %v", name, err)
			continue
		}
		if unknown.Suggestion != want {
			t.Errorf("Lookup(%q) suggests %q, want %q", name, unknown.Suggestion, want)
		}
		if ExitCodeOf(err) != ExitUsage {
			t.Errorf("exit code %d, want usage", ExitCodeOf(err))
		}
	}
	if r, err := c.Lookup("backend-401-pass"); err != nil || r.ID != "BACKEND-401-PASS" {
		t.Errorf("lower case is not found: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("requirements: [null]"))
	f.Add([]byte("- a\n- b"))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("requirements: &x\n- *x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Load(fstest.MapFS{"c/x.yaml": {Data: data}}, "c")
		if err != nil {
			return
		}
		for _, r := range c.All() {
			if err := r.validate(); err != nil {
				t.Errorf("Load let through: %v", err)
			}
		}
	})
}

func FuzzLoadKnown(f *testing.F) {
	data, err := os.ReadFile("testdata/known/ingress-nginx-v1.11.0.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("- null"))
	f.Add([]byte("a: b"))
	c, err := Load(os.DirFS("testdata"), "contract")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		known, err := LoadKnown(fstest.MapFS{"k/p-1.yaml": {Data: data}}, "k", "p", "1", c)
		if err != nil {
			return
		}
		for _, k := range known {
			if _, err := c.Lookup(k.Requirement); err != nil {
				t.Error(err)
			}
		}
	})
}
