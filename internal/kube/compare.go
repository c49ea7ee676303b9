package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Difference is one field that differs between two objects.
type Difference struct {
	Path     string // "spec.template.spec.containers[name=web].image"
	Old, New any    // nil when absent
}

// Compare lists the fields in which two objects differ, both as [Normal] gives them. Lists of named things are compared by
// name, mounts by path, other lists position by position.
func Compare(before, after *unstructured.Unstructured) []Difference {
	return compare("", before.Object, after.Object)
}

// CompareNormal is [Compare] for live objects.
func CompareNormal(before, after *unstructured.Unstructured) ([]Difference, error) {
	from, err := Normal(before)
	if err != nil {
		return nil, err
	}
	to, err := Normal(after)
	if err != nil {
		return nil, err
	}
	return Compare(from, to), nil
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
		for i, key := range itemKeys(v) {
			out[key] = v[i]
		}
		return out, true
	}
	return nil, false
}

// itemKeys are how the items of a list are called in paths. An item that has the name of an earlier one goes by its position.
func itemKeys(list []any) []string {
	keys := make([]string, len(list))
	taken := make(map[string]bool, len(list))
	for i, item := range list {
		if keys[i] = itemKey(i, item); taken[keys[i]] {
			keys[i] = position(i)
		}
		taken[keys[i]] = true
	}
	return keys
}

// itemKey is how an item is called by itself: as Kubernetes tells items apart, which is by path for the mounts of a container, for
// one volume may be mounted several times, and by name else.
func itemKey(i int, item any) string {
	fields, ok := item.(map[string]any)
	if !ok {
		return position(i)
	}
	for _, key := range []string{"mountPath", "name"} {
		if value, ok := fields[key].(string); ok {
			return fmt.Sprintf("[%s=%s]", key, value)
		}
	}
	return position(i)
}

func position(i int) string { return fmt.Sprintf("[%d]", i) }

// Text prints a value of an object on one line, shortened: nothing when it is absent.
func Text(v any) string {
	switch v {
	case nil:
		return ""
	case "":
		return `""`
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
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
