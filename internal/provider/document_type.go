package provider

import (
	"fmt"
	"reflect"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// document compares YAML and JSON documents by content.
type document struct{}

type (
	documentType  = spellingType[document]
	documentValue = spelling[document]
)

func (document) same(a, b string) bool {
	valuesA, errA := parseDocument(a)
	valuesB, errB := parseDocument(b)
	return errA == nil && errB == nil && reflect.DeepEqual(valuesA, valuesB)
}

// parseDocument parses a YAML or JSON object. Its numbers are as [spec.DecodeValues] gives them. The error tells a line, never the content.
func parseDocument(text string) (map[string]any, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("must be a YAML or JSON object: %s", firstLine(err.Error()))
	}
	values, err := spec.DecodeValues(data)
	if err != nil {
		return nil, fmt.Errorf("must be a YAML or JSON object, such as {\"replicas\": 2}")
	}
	if values == nil {
		values = map[string]any{}
	}
	return values, nil
}

// formatDocument writes values as YAML.
func formatDocument(values map[string]any) (string, error) {
	if len(values) == 0 {
		return "{}", nil
	}
	data, err := yaml.Marshal(values)
	return string(data), err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
