package storekit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

type (
	recordEntry = ledger.Entry
	object      = unstructured.Unstructured
)

// Get returns a store: [ErrNotFound] when there is none, [ErrNotOwned] when its namespace is somebody else's.
func (f *Fleet) Get(ctx context.Context, name string) (*State, error) {
	o, err := f.look(ctx, name)
	if err != nil {
		return nil, err
	}
	switch {
	case o.namespace == nil:
		return nil, fmt.Errorf("store %q of fleet %q: %w", name, f.name, ErrNotFound)
	case !o.ours:
		return nil, f.notOwned(name, o.namespace)
	}
	return f.state(ctx, name, o)
}

func (f *Fleet) notOwned(store string, namespace *unstructured.Unstructured) error {
	return fmt.Errorf("namespace %s of store %q is there already and does not carry the labels of fleet %q: %w", namespace.GetName(), store, f.name, ErrNotOwned)
}

// state tells what a store is like. Its drift is measured against what was recorded, not against a new specification.
func (f *Fleet) state(ctx context.Context, name string, o *observation) (*State, error) {
	env, err := f.client.environment(ctx)
	if err != nil {
		return nil, err
	}
	s := &State{
		Spec: spec.Store{Name: name}, Fleet: f.name, ClusterUID: env.uid,
		Namespace: o.namespace.GetName(), UID: string(o.namespace.GetUID()),
		Quota: o.quota, Objects: make(map[string]string), Environment: Environment{env.Environment},
	}
	s.Backups, s.BackupFailure = o.backups(), o.backupFailure()
	if o.release != nil {
		s.Release = Release{Revision: o.release.Revision, Status: o.release.Status, History: o.revisions()}
	}
	if o.record == nil {
		return s, nil
	}
	s.Spec, s.Incarnation = o.record.Spec, o.record.Incarnation
	s.Complete, s.Phase, s.Failure = o.record.Complete(), o.record.Operation.Phase, o.record.Operation.Error
	for _, one := range append(slices.Clone(o.record.Past), o.record.Operation) {
		s.Operations = append(s.Operations, Operation{
			Action: Action(one.Action), Phase: one.Phase, Holder: one.Holder, Started: one.Started, Failure: one.Error, Decisions: one.Decisions,
		})
	}
	s.Release.Chart, s.Release.ChartVersion, s.Release.AppVersion = o.record.Release.Chart, o.record.Release.Version, o.record.Release.AppVersion
	if s.Spec.Host != "" {
		s.URL = "https://" + s.Spec.Host
	}
	want, err := f.desire(ctx, s.Spec, &env.Environment, o.record)
	if errors.Is(err, errNoRevision) || errors.Is(err, errNoChart) { // what it was made from is gone: a plan says so, a read goes on
		want, err = f.lastDone(ctx, s.Spec, &env.Environment, o.record)
	}
	if err != nil {
		return nil, fmt.Errorf("render store %q as recorded: %w", name, err)
	}
	found, err := f.drift(ctx, o, want, func() (*desired, error) { return f.recorded(ctx, o, &env.Environment) })
	if err != nil {
		return nil, err
	}
	s.Warnings = slices.Concat(env.warnings, o.warnings, found.warnings)
	for key, entry := range o.record.Objects {
		s.Objects[key] = asDesired(entry.Desired, entry.Note)
		if entry.Live == "" && !s.Complete {
			s.Objects[key] = "not verified: the last operation did not finish"
		}
	}
	s.Objects[releaseKey] = shortDigest(o.record.Release.Digest)
	for _, key := range slices.Sorted(maps.Keys(found.changes)) {
		s.Objects[key] = found.text(key)
		// What this program would make otherwise by itself is a change to come, not drift.
		if entry, known := o.record.Objects[key]; !known || want.digests[key] == entry.Desired {
			s.Drift = append(s.Drift, found.changes[key]...)
		}
	}
	s.Ready = s.Complete && !o.terminating()
	for key, entry := range o.record.Objects {
		item, present := o.items[key]
		if !present {
			kind, object, _ := strings.Cut(key, "/")
			s.Ready = false
			s.Causes = append(s.Causes, spec.Cause{
				Code: "missing", Object: spec.ObjectRef{APIVersion: entry.APIVersion, Kind: kind, Namespace: s.Namespace, Name: object},
				Message: "is missing", Fix: "Apply again: it is made anew.",
			})
		} else if item.Waiting != "" {
			s.Ready = false
			s.Causes = append(s.Causes, spec.Cause{Code: "not-ready", Object: item.Ref, Message: item.Waiting})
		}
	}
	return s, nil
}

// revisions are those of the release, for callers.
func (o *observation) revisions() []Revision {
	var out []Revision
	for _, one := range o.history {
		out = append(out, Revision{
			Number: one.Revision, Status: one.Status, ChartVersion: one.ChartVersion, AppVersion: one.AppVersion, Created: one.Created,
		})
	}
	return out
}
