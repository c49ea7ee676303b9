package spec

import (
	"errors"
	"strings"
)

// Ignore names something of a store that others may change: an object, or a field of one and what is in it.
type Ignore struct {
	Object string // "Deployment/web"
	Path   string // "spec.replicas"; empty = the whole object
}

// ParseIgnore reads "Deployment/web" or "Deployment/web: spec.replicas", the spelling in which drift is shown.
func ParseIgnore(text string) (Ignore, error) {
	object, path, hasPath := strings.Cut(text, ": ")
	kind, name, hasName := strings.Cut(object, "/")
	if kind == "" || name == "" || !hasName || strings.ContainsAny(object, " :") || hasPath && (path == "" || strings.ContainsAny(path, " \t\n")) {
		return Ignore{}, errors.New(`must name an object ("NetworkPolicy/extra") or a field of one ("Deployment/web: spec.replicas"), as a plan shows it`)
	}
	if strings.HasPrefix(path, "metadata.labels.storeplatform.io/") {
		return Ignore{}, errors.New("is a label by which a store is found: it cannot be ignored")
	}
	return Ignore{Object: object, Path: path}, nil
}

// Covers tells whether a change is to be ignored.
func (i Ignore) Covers(c Change) bool {
	if i.Object != c.Object.String() {
		return false
	}
	rest, within := strings.CutPrefix(c.Path, i.Path)
	return within && (i.Path == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// ignores are the parsed fields of [Store.Ignore]; mistakes are reported by [Store.Validate].
func (e *FieldErrors) ignores(texts []string) {
	for _, text := range texts {
		if _, err := ParseIgnore(text); err != nil {
			e.add("ignore_drift", text, "%v", err)
		}
	}
}

// Ignores tells whether others may make a change to the store.
func (s Store) Ignores(c Change) bool {
	for _, text := range s.Ignore {
		if rule, err := ParseIgnore(text); err == nil && rule.Covers(c) {
			return true
		}
	}
	return false
}
