// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// cleaned returns a deep copy of the document in which every string is printable: see printable. It walks the types
// instead of naming fields, so that a field added later cannot be forgotten.
func cleaned(doc Document) Document {
	return cleanValue(reflect.ValueOf(complete(doc))).Interface().(Document)
}

func cleanValue(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(printable(v.String()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return v
		}
		for i := range v.NumField() {
			out.Field(i).Set(cleanValue(v.Field(i)))
		}
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(cleanValue(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(cleanValue(entries.Key()), cleanValue(entries.Value()))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(cleanValue(v.Elem()))
	default:
		return v
	}
	return out
}

// printable returns text that shows every character it holds: what would move a cursor, hide, or reverse the direction of
// reading (C0 and C1 controls, DEL, bidirectional and zero-width formatting, line separators) becomes an escape such as
// \x1b, and invalid UTF-8 the replacement character. Tab and newline stay.
func printable(s string) string {
	if !strings.ContainsFunc(s, unprintable) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD") {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r == 0x061c, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r == 0xfffe, r == 0xffff:
		return true
	default:
		return false
	}
}

// oneLine folds all white space, for places that hold a single line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
