package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Sensitive is shown in place of values that must not be.
const Sensitive = "(sensitive)"

// Mask hides the values of a difference between two objects of a kind where the place says that they are secret: the content of
// Secrets, and environment variables whose name says so.
func (d Difference) Mask(kind string) Difference {
	if !secretPlace(kind, d.Path) {
		return d
	}
	if d.Old != nil {
		d.Old = Sensitive
	}
	if d.New != nil {
		d.New = Sensitive
	}
	return d
}

func secretPlace(kind, path string) bool {
	if kind == "Secret" {
		return strings.HasPrefix(path, "data") || strings.HasPrefix(path, "stringData")
	}
	_, variable, inEnv := strings.Cut(path, ".env[name=")
	if !inEnv {
		return strings.HasSuffix(path, ".env") // a whole block of variables
	}
	variable = strings.ToUpper(variable)
	return slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN", "DATABASE_URL"}, func(word string) bool {
		return strings.Contains(variable, word)
	})
}

// CompareSet lists the fields that desired sets and in which a live object differs, without the help of the server: it knows
// neither defaults nor admission.
func CompareSet(live, desired *unstructured.Unstructured) ([]Difference, error) {
	before, err := Normal(live)
	if err != nil {
		return nil, err
	}
	after, err := Normal(desired)
	if err != nil {
		return nil, err
	}
	return compareSet("", desired.Object, before.Object, after.Object), nil
}

// compareSet compares before and after, which are in normal form, where set has a value.
func compareSet(path string, set, before, after any) []Difference {
	setFields, isFields := fieldsOf(set)
	beforeFields, _ := fieldsOf(before)
	afterFields, _ := fieldsOf(after)
	list, isList := set.([]any)
	grown := isList && len(list) != len(beforeFields) && !named(list) // items of others in a list that has one owner
	if !isFields || grown || len(setFields) == 0 || len(beforeFields) == 0 {
		return compare(path, before, after)
	}
	var out []Difference
	for _, key := range slices.Sorted(maps.Keys(setFields)) {
		out = append(out, compareSet(below(path, key), setFields[key], beforeFields[key], afterFields[key])...)
	}
	return out
}

func named(list []any) bool {
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok || fields["name"] == nil {
			return false
		}
	}
	return true
}

// below is the path of a field, or of an item "[…]" of a list.
func below(path, key string) string {
	if path == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

// Within tells whether a path, as [Compare] prints it, is that of a field or of something in it.
func Within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// CopyField makes the field at a path, as [Compare] prints it, the same in one object as it is in another: also absent, when it
// is absent there. It fails when the object to change has no place for the field.
func CopyField(from, to *unstructured.Unstructured, path string) error {
	value, found := lookup(from.Object, path)
	if changed, ok := replace(to.Object, path, value, found); ok {
		to.Object, ok = changed.(map[string]any)
		if ok {
			return nil
		}
	}
	if !found {
		return nil
	}
	return fmt.Errorf("%s has no field %s", where(RefOf(to)), path)
}

// lookup follows a path. A name of a field may contain dots: the longest one that fits is taken.
func lookup(at any, path string) (any, bool) {
	if path == "" {
		return at, true
	}
	fields, ok := fieldsOf(at)
	if !ok {
		return nil, false
	}
	key, rest, ok := step(fields, path)
	if !ok {
		return nil, false
	}
	return lookup(fields[key], rest)
}

// step returns the first field of a path that is there, and the path within it.
func step(fields map[string]any, path string) (key, rest string, ok bool) {
	for one := range fields {
		if Within(path, one) && len(one) > len(key) {
			key, ok = one, true
		}
	}
	return key, strings.TrimPrefix(path[len(key):], "."), ok
}

// replace returns at with another value, or none, at a path. A last field that is not there is added to its parent.
func replace(at any, path string, value any, present bool) (any, bool) {
	if path == "" {
		return value, present
	}
	fields, ok := fieldsOf(at)
	if !ok {
		return nil, false
	}
	key, rest, found := step(fields, path)
	if !found {
		key, rest = path, ""
	}
	var inner any
	if rest != "" || present {
		if inner, ok = replace(fields[key], rest, value, present); !ok {
			return nil, false
		}
	}
	switch parent := at.(type) {
	case map[string]any:
		if rest == "" && !present {
			delete(parent, key)
		} else {
			parent[key] = inner
		}
		return parent, true
	case []any:
		for i, item := range parent {
			switch {
			case itemKey(i, item) != key:
			case rest == "" && !present:
				return slices.Delete(parent, i, i+1), true
			default:
				parent[i] = inner
				return parent, true
			}
		}
		return append(parent, inner), present && rest == ""
	}
	return nil, false
}
