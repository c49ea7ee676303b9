// Package explain says why a store is not ready: pure functions from what the cluster shows to causes, each with a stable code,
// the object, the cluster's own words and what to do about it. It imports no client and asks nothing.
package explain

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Finding is a cause and what decides how long it is waited with.
type Finding struct {
	spec.Cause

	// Said is when the cluster last said so; zero when it is not known to have said so lately.
	Said time.Time
	// Hopeful says that something which runs now may remove the cause.
	Hopeful bool

	// Container has a log that tells more, in pod Pod: of its last run when Previous.
	Container, Pod string
	Previous       bool
	// Output is what the container itself said. It may hold secrets: it is shown redacted or not at all.
	Output string
}

// Causes returns what is wrong, most telling first. It is empty while things merely take their time, except that an init
// container that still runs is named.
func Causes(w Workloads) []Finding {
	out := slices.Concat(w.refusals(), w.jobFailures(), w.claimFindings())
	for _, p := range w.Pods {
		out = append(out, w.podFindings(p)...)
	}
	out = append(out, w.stalledRollouts()...)
	out = append(out, w.nodeFindings()...)
	out = append(out, w.serviceFindings()...)
	out = append(out, w.ingressFindings()...)
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Code), rank(b.Code)), strings.Compare(a.Object.String(), b.Object.String()))
	})
	return out
}

// OfAPIError returns the cause of a wait that could not see the cluster.
func OfAPIError(namespace string, err error) spec.Cause {
	return find(APITimeout, spec.ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: namespace}, err.Error()).Cause
}

// find makes a finding in the words of the table. words are pairs for its placeholders: "{container}", "web".
func find(code string, object spec.ObjectRef, evidence string, words ...string) Finding {
	e := table[rank(code)]
	fill := strings.NewReplacer(append(words, "{namespace}", object.Namespace, "{name}", object.Name)...)
	return Finding{Cause: spec.Cause{
		Code: code, Object: object, Message: fill.Replace(e.Message), Evidence: strings.TrimSpace(evidence), Fix: fill.Replace(e.Fix),
	}}
}

// latest returns the latest event about an object with one of the reasons, any warning when none are given; nil without one.
func (w Workloads) latest(object spec.ObjectRef, reasons ...string) *corev1.Event {
	var found *corev1.Event
	for _, e := range w.Events {
		if e.InvolvedObject.Kind != object.Kind || e.InvolvedObject.Name != object.Name {
			continue
		}
		wanted := slices.Contains(reasons, e.Reason) || len(reasons) == 0 && e.Type == corev1.EventTypeWarning
		if wanted && (found == nil || lastSaid(e).After(lastSaid(found))) {
			found = e
		}
	}
	return found
}

// lastSaid is when an event happened last. Recorders of events.k8s.io set other fields than the older ones.
func lastSaid(e *corev1.Event) time.Time {
	last := e.LastTimestamp.Time
	if e.EventTime.After(last) {
		last = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	return last
}

func ref(apiVersion, kind, namespace, name string) spec.ObjectRef {
	return spec.ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: namespace, Name: name}
}
