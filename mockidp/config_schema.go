// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

//go:embed config.schema.json
var configSchema []byte

// ConfigSchema is the JSON Schema (2020-12) of the configuration file.
func ConfigSchema() []byte { return slices.Clone(configSchema) }

// fieldNames lists every field of the configuration file, once.
func fieldNames() []string {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(configSchema, &schema); err != nil {
		return nil
	}
	names := slices.Collect(maps.Keys(schema.Properties))
	for _, of := range schema.Defs {
		names = slices.AppendSeq(names, maps.Keys(of.Properties))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nearestField is the field a misspelt one may have been meant for, or "".
func nearestField(misspelt string) string {
	best, distance := "", 3 // more letters than two are another word
	for _, name := range fieldNames() {
		if d := editDistance(strings.ToLower(misspelt), name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete or replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
