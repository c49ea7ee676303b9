package kube

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Sensitive is shown in place of values that must not be.
const Sensitive = "(sensitive)"

// Mask hides of a difference between two objects of a kind what the place says is secret: the content of Secrets, and environment
// variables whose name says so. Of a value that holds whole containers no variable is shown, and of an address no password.
func (d Difference) Mask(kind string) Difference {
	if secretPlace(kind, d.Path) {
		d.Old, d.New = sensitive(d.Old), sensitive(d.New)
		return d
	}
	d.Old, d.New = masked(d.Old), masked(d.New)
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
	variable, _, _ = strings.Cut(strings.ToUpper(variable), "]")
	return secretName(variable)
}

// secretName tells whether the name of a variable, in capitals, says that its value is secret.
func secretName(variable string) bool {
	if strings.HasSuffix(variable, "PASS") || strings.HasSuffix(variable, "PWD") {
		return true
	}
	return slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN", "DATABASE_URL"}, func(word string) bool {
		return strings.Contains(variable, word)
	})
}

func sensitive(v any) any {
	if v == nil {
		return nil
	}
	return Sensitive
}

// addressPassword is the password in scheme://user:password@host.
var addressPassword = regexp.MustCompile(`(\w://[^\s:/@]*:)[^\s/@]+@`)

// masked is a copy of a value without the values of variables and the passwords of addresses in it.
func masked(v any) any {
	switch v := v.(type) {
	case string:
		return addressPassword.ReplaceAllString(v, "${1}"+Sensitive+"@")
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = masked(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if key == "env" {
				out[key] = maskedVariables(value)
				continue
			}
			out[key] = masked(value)
		}
		return out
	}
	return v
}

// maskedVariables keeps the names of variables, and where they come from. What is no list of variables may hold anything.
func maskedVariables(env any) any {
	list, isList := env.([]any)
	if !isList {
		return sensitive(env)
	}
	out := make([]any, len(list))
	for i, item := range list {
		variable, ok := item.(map[string]any)
		if !ok {
			out[i] = Sensitive
			continue
		}
		variable = maps.Clone(variable)
		if _, set := variable["value"]; set {
			variable["value"] = Sensitive
		}
		out[i] = variable
	}
	return out
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
	if keys, value, found := lookup(from.Object, path); found {
		if _, ok := set(to.Object, keys, value); !ok {
			return fmt.Errorf("%s has no place for the field %s", where(RefOf(to)), path)
		}
		return nil
	}
	if keys, _, found := lookup(to.Object, path); found {
		unset(to.Object, keys)
	}
	return nil
}

// lookup follows a path and returns its steps. A name of a field may contain dots: the longest one that fits is taken.
func lookup(at any, path string) (keys []string, value any, found bool) {
	for path != "" {
		fields, _ := fieldsOf(at)
		key := ""
		for one := range fields {
			if Within(path, one) && len(one) > len(key) {
				key = one
			}
		}
		if key == "" {
			return nil, nil, false
		}
		keys, at = append(keys, key), fields[key]
		path = strings.TrimPrefix(path[len(key):], ".")
	}
	return keys, at, true
}

// set returns at with a value below it. Only the last step may be new.
func set(at any, keys []string, value any) (any, bool) {
	if len(keys) == 0 {
		return value, true
	}
	fields, ok := fieldsOf(at)
	if !ok {
		return nil, false
	}
	below, known := fields[keys[0]]
	if !known && len(keys) > 1 {
		return nil, false
	}
	inner, ok := set(below, keys[1:], value)
	if !ok {
		return nil, false
	}
	switch parent := at.(type) {
	case map[string]any:
		parent[keys[0]] = inner
	case []any:
		if i := itemAt(parent, keys[0]); i >= 0 {
			parent[i] = inner
			return parent, true
		}
		return append(parent, inner), true
	}
	return at, true
}

// unset returns at without what is below it, which is there.
func unset(at any, keys []string) any {
	switch parent := at.(type) {
	case map[string]any:
		if len(keys) == 1 {
			delete(parent, keys[0])
		} else {
			parent[keys[0]] = unset(parent[keys[0]], keys[1:])
		}
	case []any:
		i := itemAt(parent, keys[0])
		if len(keys) == 1 {
			return slices.Delete(parent, i, i+1)
		}
		parent[i] = unset(parent[i], keys[1:])
	}
	return at
}

func itemAt(list []any, key string) int { return slices.Index(itemKeys(list), key) }
