package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Difference is one field that differs between two objects.
type Difference struct {
	Path     string // "spec.template.spec.containers[name=web].image"
	Old, New any    // nil when absent
}

// Compare lists the fields in which two objects differ, both as [Normal] gives them. Lists of named things are compared by
// name, other lists position by position.
func Compare(before, after *unstructured.Unstructured) []Difference {
	return compare("", before.Object, after.Object)
}

func compare(path string, before, after any) []Difference {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	oldFields, oldOK := fieldsOf(before)
	newFields, newOK := fieldsOf(after)
	if !oldOK || !newOK || len(oldFields) == 0 || len(newFields) == 0 {
		return []Difference{{Path: path, Old: before, New: after}}
	}
	keys := slices.Sorted(maps.Keys(oldFields))
	for _, key := range slices.Sorted(maps.Keys(newFields)) {
		if _, known := oldFields[key]; !known {
			keys = append(keys, key)
		}
	}
	var out []Difference
	for _, key := range keys {
		out = append(out, compare(below(path, key), oldFields[key], newFields[key])...)
	}
	return out
}

// fieldsOf gives maps as they are and lists by the names or positions of their items.
func fieldsOf(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case []any:
		out := make(map[string]any, len(v))
		for i, item := range v {
			out[itemKey(i, item)] = item
		}
		return out, true
	}
	return nil, false
}

// itemKey is how an item of a list is called in paths.
func itemKey(i int, item any) string {
	if fields, ok := item.(map[string]any); ok {
		if name, ok := fields["name"].(string); ok {
			return fmt.Sprintf("[name=%s]", name)
		}
	}
	return fmt.Sprintf("[%d]", i)
}

// Text prints a value of an object on one line, shortened.
func Text(v any) string {
	if v == nil {
		return ""
	}
	text, isString := v.(string)
	if !isString {
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		text = string(data)
	}
	const longest = 200
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return text
}
