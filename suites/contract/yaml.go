// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (.+) not found in type \S+$`)
	atLine       = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
)

// decodeStrict decodes one YAML document into out, refuses fields that out does not have, and returns the document's
// root node, which knows the lines. An empty file leaves out as it is and returns a nil node.
func decodeStrict(name string, data []byte, out any) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(out); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, inFile(name, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one YAML document; keep one per file", name)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, inFile(name, err)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

// inFile rewrites the decoder's errors as file:line: what is wrong, without the names of Go types.
func inFile(name string, err error) error {
	var faults *yaml.TypeError
	messages := []string{err.Error()}
	if errors.As(err, &faults) {
		messages = faults.Errors
	}
	all := make([]error, 0, len(messages))
	for _, message := range messages {
		switch {
		case unknownField.MatchString(message):
			m := unknownField.FindStringSubmatch(message)
			all = append(all, fmt.Errorf("%s:%s: unknown field %q", name, m[1], m[2]))
		case atLine.MatchString(message):
			m := atLine.FindStringSubmatch(message)
			all = append(all, fmt.Errorf("%s:%s: %s", name, m[1], m[2]))
		default:
			all = append(all, fmt.Errorf("%s: %s", name, strings.TrimPrefix(message, "yaml: ")))
		}
	}
	return errors.Join(all...)
}

// items returns the elements of the sequence under key in a mapping, or of node itself when key is empty.
func items(node *yaml.Node, key string) []*yaml.Node {
	if node == nil {
		return nil
	}
	if key == "" {
		return node.Content
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1].Content
		}
	}
	return nil
}

// position is where an element stands, as file:line.
func position(name string, nodes []*yaml.Node, i int) string {
	if i < len(nodes) {
		return fmt.Sprintf("%s:%d", name, nodes[i].Line)
	}
	return name
}
