package spec

import (
	"bytes"
	"encoding/json"
)

// DecodeValues decodes a JSON object. Whole numbers are int64 and stay whole, so that a template prints 1000000 and not 1e+06, and an
// identifier above 2^53 keeps its last digits; numbers with a fraction are float64.
func DecodeValues(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, err
	}
	plainNumbers(values)
	return values, nil
}

// plainNumbers turns every [json.Number] within a value into an int64, or a float64 where it has a fraction.
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
