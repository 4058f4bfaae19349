// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// eachError is the list that errors.Join made, or the one error.
func eachError(err error) []error {
	var several interface{ Unwrap() []error }
	if err == nil || !errors.As(err, &several) {
		return []error{err}
	}
	var list []error
	for _, one := range several.Unwrap() {
		list = append(list, eachError(one)...)
	}
	return list
}

// prefixed puts words before each of several errors.
func prefixed(prefix string, err error) error {
	if err == nil {
		return nil
	}
	var list []error
	for _, one := range eachError(err) {
		list = append(list, fmt.Errorf("%s: %w", prefix, one))
	}
	return errors.Join(list...)
}

// pathStep is how a message of Validate begins: clients[2] (app): redirect_uris[0]: and so on.
var pathStep = regexp.MustCompile(`^([a-z_]+)(?:\[(\d+)\])?(?: \([^)]*\))?(\.|: | )`)

// located adds to each error of Validate the line of the file that it is about, as far as its words name one.
func located(err error, document *yaml.Node) error {
	if err == nil || len(document.Content) == 0 {
		return err
	}
	var list []error
	for _, one := range eachError(err) {
		if line := lineOf(one.Error(), document.Content[0]); line > 0 {
			one = fmt.Errorf("line %d: %w", line, one)
		}
		list = append(list, one)
	}
	return errors.Join(list...)
}

// lineOf follows the steps of a message down the document; 0 if it cannot take the first.
func lineOf(message string, node *yaml.Node) int {
	line := 0
	for {
		step := pathStep.FindStringSubmatch(message)
		if step == nil {
			return line
		}
		if node = memberOf(node, step[1]); node == nil {
			return line
		}
		line = node.Line
		if step[2] != "" {
			i, err := strconv.Atoi(step[2])
			if err != nil || node.Kind != yaml.SequenceNode || i >= len(node.Content) {
				return line
			}
			node = node.Content[i]
			line = node.Line
		}
		message = strings.TrimPrefix(message, step[0])
	}
}

// memberOf finds a member's value in a mapping, an alias of one included.
func memberOf(node *yaml.Node, name string) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
