// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"encoding/json"
	"testing"
)

func TestMergeTakesTheWeightiestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		in   []Verdict
		want Verdict
	}{
		"nothing judged is blocked":           {nil, Blocked},
		"an unset verdict is blocked":         {[]Verdict{Pass, ""}, Blocked},
		"an unknown verdict is blocked":       {[]Verdict{"green"}, Blocked},
		"pass outweighs not applicable":       {[]Verdict{Pass, NotApplicable}, Pass},
		"all not applicable stays so":         {[]Verdict{NotApplicable, NotApplicable}, NotApplicable},
		"warn outweighs pass":                 {[]Verdict{Warn, Pass}, Warn},
		"fail outweighs warn":                 {[]Verdict{Fail, Warn, Pass}, Fail},
		"blocked outweighs fail":              {[]Verdict{Blocked, Fail}, Blocked},
		"order does not matter (pass, block)": {[]Verdict{Pass, Blocked, Pass}, Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Merge(c.in...); got != c.want {
				t.Errorf("Merge(%v) = %s, want %s", c.in, got, c.want)
			}
		})
	}
}

func TestJudgeAppliesTheLevel(t *testing.T) {
	for _, c := range []struct {
		level    Level
		observed Verdict
		strict   bool
		want     Verdict
	}{
		{Must, Pass, false, Pass},
		{Must, Fail, false, Fail},
		{Must, Warn, false, Fail},
		{Should, Pass, true, Pass},
		{Should, Fail, false, Warn},
		{Should, Fail, true, Fail},
		{Should, Warn, true, Fail},
		{May, Pass, false, Pass},
		{May, Fail, false, NotApplicable},
		{May, Fail, true, NotApplicable},
		{Should, NotApplicable, true, NotApplicable},
		{May, Blocked, false, Blocked},
		{Should, Blocked, false, Blocked},
		{Should, "", false, Blocked},
		{"", Fail, false, Fail},
	} {
		if got := Judge(c.level, c.observed, c.strict); got != c.want {
			t.Errorf("Judge(%s, %q, strict=%v) = %s, want %s", c.level, c.observed, c.strict, got, c.want)
		}
	}
}

func TestVerdictIsItsNameInJSON(t *testing.T) {
	for _, v := range Verdicts() {
		data, err := json.Marshal(v)
		if err != nil || string(data) != `"`+string(v)+`"` {
			t.Errorf("Marshal(%s) = %s, %v", v, data, err)
		}
		var back Verdict
		if err := json.Unmarshal(data, &back); err != nil || back != v {
			t.Errorf("Unmarshal(%s) = %s, %v", data, back, err)
		}
	}
	if data, err := json.Marshal(Verdict("")); err != nil || string(data) != `"blocked"` {
		t.Errorf("an unset verdict is written as %s, %v; want blocked", data, err)
	}
	var v Verdict
	for _, bad := range []string{`"green"`, `""`, `"PASS"`} {
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("Unmarshal(%s) gives no error", bad)
		}
	}
}
