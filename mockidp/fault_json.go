// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxGenerated bounds what ${text:N} and lists make, so that a rule from outside cannot exhaust memory.
const maxGenerated = 8 << 20

// JSONEdit changes the members of a JSON object.
type JSONEdit struct {
	Set    map[string]any    `json:"set,omitempty"`
	Remove []string          `json:"remove,omitempty"`
	Append map[string]string `json:"append,omitempty"` // to a string, or to the first of an array
	// Seconds sets a member to the time, in seconds since 1970, that many seconds from now.
	Seconds map[string]int64 `json:"seconds,omitempty"`
	// Lists sets a member to an array of that many strings.
	Lists map[string]int `json:"lists,omitempty"`
	// Raw sets a member to JSON text as it is, good or not.
	Raw map[string]string `json:"raw,omitempty"`
	// First and Last put a second member of the same name before or behind all others, as JSON text.
	First map[string]string `json:"first,omitempty"`
	Last  map[string]string `json:"last,omitempty"`
}

func (e *JSONEdit) validate() error {
	if e == nil {
		return nil
	}
	for name, n := range e.Lists {
		if n < 0 || n > 1_000_000 {
			return fmt.Errorf("lists.%s: %d must be between 0 and 1000000", name, n)
		}
	}
	return nil
}

// stage is what a deviation can know about the request it is staged for.
type stage struct {
	provider    *Provider
	issuer      string
	other       string
	self        string
	redirectURI string // of an authorization request
	clientID    string
	now         time.Time
}

// foreignBase is a host that nobody has (RFC 6761 section 6.4), so that nothing sent there arrives anywhere.
const foreignBase = "https://attacker.invalid"

// expand replaces the placeholders.
func (s *stage) expand(text string) string {
	text = strings.NewReplacer("${issuer}", s.issuer, "${other}", s.other, "${foreign}", s.provider.faults.foreign, "${self}", s.self,
		"${client_id}", s.clientID).Replace(text)
	text = s.expandLoot(text)
	before, rest, found := strings.Cut(text, "${text:")
	number, after, closed := strings.Cut(rest, "}")
	n, err := strconv.Atoi(number)
	if !found || !closed || err != nil || n < 0 || n > maxGenerated {
		return text
	}
	return before + strings.Repeat("x", n) + after
}

func (s *stage) expandValue(value any) any {
	switch v := value.(type) {
	case string:
		return s.expand(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = s.expandValue(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = s.expandValue(v[name])
		}
		return out
	}
	return value
}

// apply returns the object with the changes. It fails if data is not an object.
func (e *JSONEdit) apply(s *stage, data []byte) ([]byte, error) {
	object, err := decodeObject(data)
	if err != nil {
		return nil, err
	}
	e.applyTo(s, object)
	return e.encode(s, object)
}

func (e *JSONEdit) applyTo(s *stage, object map[string]any) {
	for name, value := range e.Set {
		object[name] = s.expandValue(value)
	}
	for name, suffix := range e.Append {
		switch value := object[name].(type) {
		case string:
			object[name] = value + s.expand(suffix)
		case []any:
			if len(value) == 0 {
				continue
			}
			if first, ok := value[0].(string); ok {
				value[0] = first + s.expand(suffix)
			}
		}
	}
	for name, seconds := range e.Seconds {
		object[name] = s.now.Unix() + seconds
	}
	for name, n := range e.Lists {
		list := make([]string, n)
		for i := range list {
			list[i] = "item-" + strconv.Itoa(i)
		}
		object[name] = list
	}
	for _, name := range e.Remove {
		delete(object, name)
	}
}

// encode writes the members in the order of their names. It writes the text of Raw, First and Last as it is, which
// encoding/json would refuse.
func (e *JSONEdit) encode(s *stage, object map[string]any) ([]byte, error) {
	for name := range e.Raw {
		object[name] = nil
	}
	var out bytes.Buffer
	separator := "{"
	member := func(name, text string) {
		quoted, _ := json.Marshal(name)
		out.WriteString(separator)
		out.Write(quoted)
		out.WriteString(":" + text)
		separator = ","
	}
	several := func(texts map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			member(name, s.expand(texts[name]))
		}
	}
	several(e.First)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if raw, ok := e.Raw[name]; ok {
			member(name, s.expand(raw))
			continue
		}
		text, err := json.Marshal(object[name])
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		member(name, string(text))
	}
	several(e.Last)
	if separator == "{" {
		return []byte("{}"), nil
	}
	out.WriteString("}")
	return out.Bytes(), nil
}

// decodeObject keeps numbers as they are written.
func decodeObject(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, fmt.Errorf("null is not a JSON object")
	}
	return object, nil
}
