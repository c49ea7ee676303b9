package spec

import (
	"errors"
	"fmt"
	"strings"
)

// FieldError says which field of a specification is wrong, what it holds and what it may hold.
type FieldError struct {
	Path    string // dotted names as in the Terraform schema, for example "woocommerce.admin_email"
	Value   string // the offending value; empty when the field is missing or secret
	Allowed string // what is allowed, as the end of the sentence "must be …" or a sentence of its own
}

// Error implements error.
func (e *FieldError) Error() string {
	if e.Value == "" {
		return e.Path + ": " + e.Allowed
	}
	return fmt.Sprintf("%s: %q: %s", e.Path, e.Value, e.Allowed)
}

// FieldErrors collects every wrong field of a specification, so that a user fixes them in one go.
type FieldErrors []*FieldError

// Error implements error, one field a line.
func (e FieldErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// FieldErrorsOf returns the field errors within err, or nil.
func FieldErrorsOf(err error) FieldErrors {
	var all FieldErrors
	if errors.As(err, &all) {
		return all
	}
	var one *FieldError
	if errors.As(err, &one) {
		return FieldErrors{one}
	}
	return nil
}

func (e *FieldErrors) add(path, value, allowed string, args ...any) {
	*e = append(*e, &FieldError{Path: path, Value: value, Allowed: fmt.Sprintf(allowed, args...)})
}

func (e *FieldErrors) under(prefix string, more FieldErrors) {
	for _, one := range more {
		*e = append(*e, &FieldError{Path: prefix + "." + one.Path, Value: one.Value, Allowed: one.Allowed})
	}
}

// err returns e as an error, nil when there is nothing to report.
func (e FieldErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
