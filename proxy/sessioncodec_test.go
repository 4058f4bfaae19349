// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"reflect"
	"strings"
	"testing"
)

// everyField has a value of its own in each field: one that the encoding forgets, or takes for another, is noticed.
func everyField(t testing.TB) *session {
	t.Helper()
	s := &session{}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(strings.Repeat("x", i) + "é")
		case reflect.Int64:
			f.SetInt(int64(1_800_000_000 + i))
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"a", "", strings.Repeat("g", 300)}))
		case reflect.Struct: // the ticket, which is not encoded
		default:
			t.Fatalf("field %s is of a kind that this test does not know", v.Type().Field(i).Name)
		}
	}
	return s
}

func TestASessionDecodesAsItWas(t *testing.T) {
	for _, want := range []*session{everyField(t), {}, {Subject: "u", Refreshed: -1, Expires: 1 << 62}} {
		got, ok := decodeSession(want.encode())
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %t; want %+v", got, ok, want)
		}
	}
}

func TestNoPartOfASessionDecodes(t *testing.T) {
	whole := everyField(t).encode()
	for n := range whole {
		if _, ok := decodeSession(whole[:n]); ok {
			t.Errorf("the first %d of %d bytes decode", n, len(whole))
		}
	}
	if _, ok := decodeSession(append(whole, 0)); ok {
		t.Error("a byte too many is not noticed")
	}
	if _, ok := decodeSession(append([]byte{sessionFormat + 1}, whole[1:]...)); ok {
		t.Error("another format is not noticed")
	}
}

func FuzzSessionDecodes(f *testing.F) {
	f.Add([]byte{})
	f.Add((&session{}).encode())
	f.Add(everyField(f).encode())
	f.Add([]byte{sessionFormat, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := decodeSession(b)
		if !ok {
			return
		}
		again, ok := decodeSession(s.encode())
		if !ok || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v became %+v", s, again)
		}
	})
}
