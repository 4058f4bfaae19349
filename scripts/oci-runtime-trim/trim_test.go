// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"reflect"
	"testing"
)

func limited(missing ...string) host {
	names := map[string]bool{}
	for _, name := range missing {
		names[name] = true
	}
	return host{missing: names, hardLimit: func(kind string) (uint64, bool) {
		return 1024, kind == "RLIMIT_NOFILE"
	}}
}

func TestTrimConfigDropsOnlyWhatTheHostLacks(t *testing.T) {
	cases := []struct {
		name       string
		host       host
		have, want string
	}{
		{"a missing capability goes from every set", limited("CAP_SYS_RESOURCE"),
			`{"process":{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"ambient":["CAP_SYS_RESOURCE"]}}}`,
			`{"process":{"capabilities":{"bounding":["CAP_CHOWN"],"ambient":[]}}}`},
		{"nothing missing, nothing dropped", limited(),
			`{"process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"rlimits":[{"type":"RLIMIT_NOFILE","hard":2048,"soft":1}]}}`,
			`{"process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"rlimits":[{"type":"RLIMIT_NOFILE","hard":2048,"soft":1}]}}`},
		{"a limit that would be raised goes", limited("CAP_SYS_RESOURCE"),
			`{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1025,"soft":1}]}}`, `{"process":{"rlimits":[]}}`},
		{"a limit that is lowered stays", limited("CAP_SYS_RESOURCE"),
			`{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1}]}}`,
			`{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1}]}}`},
		{"an unlimited limit goes", limited("CAP_SYS_RESOURCE"),
			`{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615}]}}`, `{"process":{"rlimits":[]}}`},
		{"an unknown limit stays for runc to judge", limited("CAP_SYS_RESOURCE"),
			`{"process":{"rlimits":[{"type":"RLIMIT_NEW","hard":9999}]}}`, `{"process":{"rlimits":[{"type":"RLIMIT_NEW","hard":9999}]}}`},
		{"other fields and large numbers stay as written", limited("CAP_SYS_RESOURCE"),
			`{"linux":{"resources":{"memory":{"limit":9223372036854775807}}},"x":{"y":[1,null,"z"]}}`,
			`{"linux":{"resources":{"memory":{"limit":9223372036854775807}}},"x":{"y":[1,null,"z"]}}`},
		{"no process, no change", limited("CAP_SYS_RESOURCE"), `{"root":{"path":"/"}}`, `{"root":{"path":"/"}}`},
		{"odd types are left for runc to refuse", limited("CAP_SYS_RESOURCE"),
			`{"process":{"capabilities":{"bounding":"all","effective":[7]},"rlimits":["x",{"type":"RLIMIT_NOFILE","hard":"1"}]}}`,
			`{"process":{"capabilities":{"bounding":"all","effective":[7]},"rlimits":["x",{"type":"RLIMIT_NOFILE","hard":"1"}]}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.host.trimConfig([]byte(c.have))
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, string(got), c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTrimProcessTakesTheBareProcess(t *testing.T) {
	got, err := limited("CAP_SYS_RESOURCE").trimProcess([]byte(`{"args":["ls"],"capabilities":{"effective":["CAP_SYS_RESOURCE","CAP_KILL"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"args":["ls"],"capabilities":{"effective":["CAP_KILL"]}}`; !sameJSON(t, string(got), want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTrimRefusesWhatIsNotAnObject(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{", "7"} {
		if _, err := limited().trimConfig([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzTrimConfig(f *testing.F) {
	f.Add([]byte(`{"process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"rlimits":[{"type":"RLIMIT_NOFILE","hard":1e30}]}}`))
	f.Add([]byte(`{"process":null}`))
	f.Add([]byte(`{"process":{"rlimits":[{"hard":-1}]}}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		trimmed, err := limited("CAP_SYS_RESOURCE").trimConfig(config)
		if err != nil {
			return
		}
		if again, err := limited("CAP_SYS_RESOURCE").trimConfig(trimmed); err != nil || string(again) != string(trimmed) {
			t.Errorf("trimming twice: %v\n%s\n%s", err, trimmed, again)
		}
	})
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}
