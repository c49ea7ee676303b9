package spec

import "time"

// ObjectRef names one Kubernetes object.
type ObjectRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// String is "Kind/name", unique within a store.
func (r ObjectRef) String() string { return r.Kind + "/" + r.Name }

// Change is one difference between what a store should be and what it is.
type Change struct {
	Object  ObjectRef `json:"object"`
	Path    string    `json:"path,omitempty"`    // "spec.hard.limits.cpu"; empty when the whole object appears or goes
	Old     string    `json:"old,omitempty"`     // as it is now; empty when absent
	New     string    `json:"new,omitempty"`     // as it should be; empty when it is to be removed
	Manager string    `json:"manager,omitempty"` // the field manager that last set the old value, where the cluster records it
	When    time.Time `json:"when,omitzero"`     // when it did
}

// Cause explains why a store is not ready.
type Cause struct {
	Code     string    `json:"code"` // stable, for example "image-pull"
	Object   ObjectRef `json:"object"`
	Message  string    `json:"message"`            // what is wrong, in one sentence
	Evidence string    `json:"evidence,omitempty"` // the cluster's own words
	Log      string    `json:"log,omitempty"`      // the last lines of the container, secrets masked
	Fix      string    `json:"fix,omitempty"`      // what to do
}
