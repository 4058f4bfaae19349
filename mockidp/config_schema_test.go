// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write config.schema.json again")

// Run "go test ./mockidp -run TestConfigSchema_IsCurrent -update" when this fails. The schema is made of the types that the
// decoder fills, so that the two cannot disagree, and of their comments.
func TestConfigSchema_IsCurrent(t *testing.T) {
	want, err := json.MarshalIndent(newSchemaWriter(t).document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("config.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("config.schema.json"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("config.schema.json is not what the types say: write it again (%v)", err)
	}
}

// schemaTypes are the structs of the configuration.
func schemaTypes() map[string]reflect.Type {
	return map[string]reflect.Type{"Config": reflect.TypeFor[Config](), "Tenant": reflect.TypeFor[Tenant](), "Client": reflect.TypeFor[Client](),
		"User": reflect.TypeFor[User](), "Lifetimes": reflect.TypeFor[Lifetimes](), "AuthenticationContext": reflect.TypeFor[AuthenticationContext]()}
}

// enums are the fields that take a few words only.
func enums() map[string][]string {
	var dialects []string
	for _, d := range must(Dialects()) {
		dialects = append(dialects, d.Name)
	}
	algs := []string{}
	for _, alg := range algorithmNames() {
		algs = append(algs, string(alg))
	}
	objectAlgs := []string{}
	for _, alg := range assertionAlgorithms() {
		objectAlgs = append(objectAlgs, string(alg))
	}
	return map[string][]string{
		"Config.dialect": dialects, "Tenant.dialect": dialects, "Config.signing_algs": algs,
		"Client.token_endpoint_auth_method": supportedAuthMethods(), "Client.grant_types": supportedGrantTypes(),
		"Client.application_type": {applicationWeb, applicationNative}, "Client.response_types": supportedResponseTypes(),
		"Client.id_token_signed_response_alg": algs, "Client.userinfo_signed_response_alg": algs,
		"Client.access_token_format": {accessTokenOpaque, accessTokenJWT, accessTokenForAudience},
		"Client.subject_type":        {subjectPublic, subjectPairwise}, "Client.request_object_signing_alg": objectAlgs,
		"Client.issue_refresh_token": {refreshOffline, refreshAlways, refreshNever, refreshOnce},
	}
}

// required are those without which nothing works.
func required() map[string][]string {
	return map[string][]string{"Tenant": {"path"}, "Client": {"client_id"}, "User": {"username"}, "AuthenticationContext": {"acr"}}
}

type schemaWriter struct{ comments map[string]string }

// newSchemaWriter reads the comments of the fields.
func newSchemaWriter(t *testing.T) *schemaWriter {
	w := &schemaWriter{comments: map[string]string{}}
	for _, file := range []string{"config.go", "tenants.go", "authentication_context.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			fields, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					text := field.Doc.Text() + field.Comment.Text()
					w.comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(text), " ")
				}
			}
			return true
		})
	}
	return w
}

func (w *schemaWriter) document() map[string]any {
	doc := w.object("Config")
	doc["$schema"], doc["title"] = "https://json-schema.org/draft/2020-12/schema", "Configuration of mockidp"
	defs := map[string]any{}
	for name := range schemaTypes() {
		if name != "Config" {
			defs[name] = w.object(name)
		}
	}
	doc["$defs"] = defs
	return doc
}

func (w *schemaWriter) object(name string) map[string]any {
	properties := map[string]any{}
	of := schemaTypes()[name]
	for i := range of.NumField() {
		field := of.Field(i)
		key := field.Tag.Get("yaml")
		property := w.value(field.Type, enums()[name+"."+key])
		if text := w.comments[name+"."+field.Name]; text != "" {
			if first, rest, _ := strings.Cut(text, " "); first == field.Name {
				text = key + " " + rest
			}
			property["description"] = text
		}
		properties[key] = property
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if names := required()[name]; names != nil {
		out["required"] = names
	}
	return out
}

func (w *schemaWriter) value(of reflect.Type, enum []string) map[string]any {
	switch {
	case of.Kind() == reflect.Pointer && of.Elem().Name() == "JWKS":
		return map[string]any{"type": "object", "required": []string{"keys"}, "properties": map[string]any{"keys": map[string]any{"type": "array", "minItems": 1, "items": map[string]any{"type": "object", "required": []string{"kty"}}}}}
	case of.Kind() == reflect.Pointer:
		return w.value(of.Elem(), enum)
	case of.String() == "time.Duration":
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, "examples": []string{"90s", "5m"}}
	case of.Kind() == reflect.Struct:
		return map[string]any{"$ref": "#/$defs/" + of.Name()}
	case of.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": w.item(of.Elem(), enum)}
	case of.Kind() == reflect.Map:
		return map[string]any{"type": "object"}
	case of.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case of.Kind() == reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	case enum != nil:
		return map[string]any{"enum": append([]string{""}, enum...)} // "" is the default, as in Go
	default:
		return map[string]any{"type": "string"}
	}
}

func (w *schemaWriter) item(of reflect.Type, enum []string) map[string]any {
	if enum != nil {
		return map[string]any{"enum": enum}
	}
	return w.value(of, nil)
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(ConfigSchema()))
	if err == nil {
		err = compiler.AddResource("config.schema.json", doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return must(compiler.Compile("config.schema.json"))
}

// bySchema judges YAML by the schema, as an editor does.
func bySchema(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(must(jsonschema.UnmarshalJSON(bytes.NewReader(encoded))))
}

// byDecoder judges the form alone, before Validate judges the sense.
func byDecoder(text string) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(new(Config))
}

func TestConfigSchema_TheExamplesFit(t *testing.T) {
	schema := compiledSchema(t)
	if err := bySchema(t, schema, string(must(os.ReadFile("example.yaml")))); err != nil {
		t.Errorf("example.yaml: %v", err)
	}
	shown := 0
	for block := range strings.SplitSeq(string(must(os.ReadFile("README.md"))), "```yaml\n") {
		if text, _, ok := strings.Cut(block, "```"); ok && shown > 0 {
			if err := bySchema(t, schema, text); err != nil {
				t.Errorf("README.md: %v in:\n%s", err, text)
			}
		}
		shown++
	}
	if shown < 2 {
		t.Error("README.md shows no configuration")
	}
}

// The example has every field there is, so that nobody has to look for one.
func TestConfigSchema_TheExampleHasEveryField(t *testing.T) {
	text := string(must(os.ReadFile("example.yaml")))
	for _, name := range fieldNames() {
		if !strings.Contains(text, name+":") {
			t.Errorf("%s is not in example.yaml", name)
		}
	}
}

// Schema and decoder agree about every field: what it may be, what it may not, and how it is spelt.
func TestConfigSchema_AgreesWithTheDecoder(t *testing.T) {
	schema := compiledSchema(t)
	within := map[string]string{"Config": "%s", "Tenant": "tenants: [{path: /a, %s}]", "Client": "clients: [{client_id: a, %s}]",
		"User": "users: [{username: a, %s}]", "Lifetimes": "lifetimes: {%s}", "AuthenticationContext": `authentication_contexts: [{acr: "1", %s}]`}
	fields := 0
	for name, of := range schemaTypes() {
		for i := range of.NumField() {
			key := of.Field(i).Tag.Get("yaml")
			if slices.Contains(required()[name], key) {
				continue
			}
			fields++
			good, wrong := sample(of.Field(i).Type, enums()[name+"."+key])
			for text, want := range map[string]bool{key + ": " + good: true, key + ": " + wrong: false, key + "x: " + good: false} {
				text = fmt.Sprintf(within[name], text)
				if schemaErr, decoderErr := bySchema(t, schema, text), byDecoder(text); (schemaErr == nil) != want || (decoderErr == nil) != want {
					t.Errorf("%s: want valid %v; schema says %v, decoder says %v", text, want, schemaErr, decoderErr)
				}
			}
		}
	}
	if fields < 50 {
		t.Errorf("%d fields were tried", fields)
	}
}

func sample(of reflect.Type, enum []string) (good, wrong string) {
	switch {
	case of.Kind() == reflect.Pointer && of.Elem().Name() == "JWKS":
		return "{keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}", "[]"
	case of.Kind() == reflect.Pointer:
		return sample(of.Elem(), enum)
	case of.String() == "time.Duration":
		return "90s", "soon"
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
		return "[]", "{}"
	case of.Kind() == reflect.Slice:
		one, _ := sample(of.Elem(), enum)
		return "[" + one + "]", "{}"
	case of.Kind() == reflect.Map, of.Kind() == reflect.Struct:
		return "{}", "x"
	case of.Kind() == reflect.Bool:
		return "true", "[]"
	case of.Kind() == reflect.Int:
		return "7", "x"
	case enum != nil:
		return `"` + enum[0] + `"`, "[]"
	default:
		return "x", "[]"
	}
}
