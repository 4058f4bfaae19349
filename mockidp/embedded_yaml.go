// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// decodeYAML reads an embedded table, whose types have JSON names. A member it does not know is an error. It goes by the
// one YAML library that the configuration needs anyway: a second one would cost every start.
func decodeYAML(data []byte, into any) error {
	var document any
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// encodeYAML writes a value by its JSON names.
func encodeYAML(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil { // JSON is YAML, and keeps whole numbers whole
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}
