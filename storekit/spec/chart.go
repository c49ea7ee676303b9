package spec

import (
	"strings"
)

// Chart runs a Helm chart of the user's own inside the guardrails of a store.
type Chart struct {
	Source  string         `json:"source"`  // directory, .tgz archive, or OCI reference such as oci://registry.example.com/charts/shop
	Version string         `json:"version"` // exact version; needed for OCI, else checked against the chart when set
	Values  map[string]any `json:"values"`  // must not hold secrets: Helm keeps them in its release records
	Service string         `json:"service"` // Service that answers for the store's hosts; empty = the store has no ingress
	Port    int            `json:"port"`    // port of that Service, default 80
	Target  int            `json:"target"`  // port of the pods behind it that the ingress controller may reach, default Port

	Username string `json:"username"` // for an OCI registry
	Password Secret `json:"-"`
}

// Kind implements [Engine].
func (Chart) Kind() EngineKind { return KindChart }

// Components implements [Engine]. Only the chart knows its pods: the quota bounds them when they start.
func (Chart) Components() []Component { return nil }

// Jobs implements [Engine]. Only the chart knows them.
func (Chart) Jobs() []Component { return nil }

// OCI tells whether the chart comes from a registry.
func (c Chart) OCI() bool { return strings.HasPrefix(c.Source, "oci://") }

func (c Chart) withDefaults() Engine {
	if c.Port == 0 {
		c.Port = 80
	}
	if c.Target == 0 {
		c.Target = c.Port
	}
	return c
}

func (c Chart) validate() FieldErrors {
	var errs FieldErrors
	switch {
	case c.Source == "":
		errs.add("source", "", "must be a directory, a .tgz archive or an OCI reference (oci://registry.example.com/charts/shop)")
	case c.OCI() && c.Version == "":
		errs.add("version", "", "must be set for a chart from a registry: an exact version keeps plan and apply the same")
	case strings.Contains(c.Source, "://") && !c.OCI():
		errs.add("source", c.Source, "must be a directory, a .tgz archive or an OCI reference: classic chart repositories are not supported")
	}
	for path, port := range map[string]int{"port": c.Port, "target": c.Target} {
		if port < 1 || port > 65535 {
			errs.add(path, "", "must be a port between 1 and 65535")
		}
	}
	return errs
}

// image accepts references with a digest or an exact tag.
func (e *FieldErrors) image(path, image string) {
	const allowed = "must be an image with a digest or an exact tag, such as registry.example.com/shop:1.4.2 or registry.example.com/shop@sha256:…"
	match := imageForm.FindStringSubmatch(image)
	if match == nil || match[1] == "" && match[2] == "" {
		e.add(path, image, allowed)
		return
	}
	if match[1] == ":latest" && match[2] == "" {
		e.add(path, image, "the tag latest changes under you. It %s", allowed)
	}
}
