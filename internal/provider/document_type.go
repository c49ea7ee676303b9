package provider

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"sigs.k8s.io/yaml"
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

// parseDocument parses a YAML or JSON object. Whole numbers stay whole, so that a template prints 1000000 and not 1e+06.
// The error tells a line, never the content.
func parseDocument(text string) (map[string]any, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("must be a YAML or JSON object: %s", firstLine(err.Error()))
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("must be a YAML or JSON object, such as {\"replicas\": 2}")
	}
	if values == nil {
		values = map[string]any{}
	}
	plainNumbers(values)
	return values, nil
}

// plainNumbers turns every number within a value into an int64, or a float64 where it has a fraction.
func plainNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = plainNumbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = plainNumbers(item)
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		if fraction, err := v.Float64(); err == nil {
			return fraction
		}
	}
	return value
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
