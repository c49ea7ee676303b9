package spec

import "encoding/json"

const masked = "(sensitive)"

// Secret is a value that never appears in text: printing, logging and marshalling it give "(sensitive)", and the empty
// secret gives the empty string. [Secret.Reveal] is the only way to its content.
type Secret string

// Reveal returns the content. The only callers are those that write it into a Kubernetes Secret or an authorization header.
func (s Secret) Reveal() string { return string(s) }

// String implements [fmt.Stringer] and hides the content.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString implements [fmt.GoStringer] and hides the content from %#v.
func (s Secret) GoString() string { return `spec.Secret("` + s.String() + `")` }

// MarshalJSON implements [json.Marshaler] and hides the content.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
