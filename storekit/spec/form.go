package spec

import "regexp"

// The forms of values.
var (
	imageForm     = regexp.MustCompile(`^[a-z0-9]+[a-z0-9._:/-]*?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)
	adminUserForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,59}$`)
	localeForm    = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2})?(_[a-z]+)?$`)
	originForm    = regexp.MustCompile(`^https?://[a-z0-9.-]+(:\d+)?$`)
	registryForm  = regexp.MustCompile(`^[a-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?$`)
	sha256Form    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	urlForm       = regexp.MustCompile(`^https?://[^\s'"]+$`)
	versionForm   = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	wordPressForm = regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`)
)

func (e *FieldErrors) pattern(path, value string, form *regexp.Regexp, allowed string) {
	if !form.MatchString(value) {
		e.add(path, value, "%s", allowed)
	}
}
