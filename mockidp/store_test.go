// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"strconv"
	"testing"
	"time"
)

func TestTable_ForgetsWhatHasExpired(t *testing.T) {
	now := time.Unix(0, 0)
	table := newTable[int](time.Minute, 10)
	table.put("a", 1, now)
	if v, ok := table.get("a", now.Add(time.Minute-1)); !ok || v != 1 {
		t.Error("forgotten too early")
	}
	if _, ok := table.get("a", now.Add(time.Minute)); ok {
		t.Error("remembered too long")
	}
	table.put("b", 2, now.Add(time.Minute))
	if len(table.entries) != 1 || len(table.order) != 1 {
		t.Errorf("%d entries, %d in order; the expired one takes up room", len(table.entries), len(table.order))
	}
}

func TestTable_IsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	table := newTable[int](time.Minute, 3)
	for i := range 10 {
		table.put(strconv.Itoa(i), i, now)
		table.drop(strconv.Itoa(i - 5)) // what was dropped must not keep its place for ever
	}
	if len(table.entries) > 3 || len(table.order) > 3 {
		t.Errorf("%d entries, %d in order, want at most 3", len(table.entries), len(table.order))
	}
	if _, ok := table.get("9", now); !ok {
		t.Error("the newest is gone")
	}
	if _, ok := table.get("0", now); ok {
		t.Error("the oldest is there")
	}
}

func TestAddQuery(t *testing.T) {
	for uri, want := range map[string]string{
		"https://a.example/cb":       "https://a.example/cb?x=1",
		"https://a.example/cb?":      "https://a.example/cb?x=1",
		"https://a.example/cb?a=%20": "https://a.example/cb?a=%20&x=1",
		"https://a.example/cb?a=b&":  "https://a.example/cb?a=b&x=1",
		"com.app:/cb":                "com.app:/cb?x=1",
	} {
		if got := addQuery(uri, map[string][]string{"x": {"1"}}); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}
