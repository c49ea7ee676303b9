package storekit

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
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
		Quota: quotaUsage(o.quotas), Objects: make(map[string]string),
	}
	if o.release != nil {
		s.Release = Release{Revision: o.release.Revision, Status: o.release.Status}
	}
	if o.record == nil {
		return s, nil
	}
	s.Spec = o.record.Spec
	s.Complete, s.Phase = o.record.Complete(), o.record.Operation.Phase
	s.Release.Chart, s.Release.ChartVersion, s.Release.AppVersion = o.record.Release.Chart, o.record.Release.Version, o.record.Release.AppVersion
	if s.Spec.Host != "" {
		s.URL = "https://" + s.Spec.Host
	}
	found := new(drift)
	if f.suspicious(o) {
		want, err := f.client.charts.desire(ctx, f.name, s.Spec, &env.Environment, o.record)
		if err != nil {
			return nil, fmt.Errorf("render store %q as recorded: %w", name, err)
		}
		for key := range want.digests {
			// What a newer version of this program would make otherwise is a change, not drift.
			if entry, known := o.record.Objects[key]; !known || entry.Desired != want.digests[key] {
				delete(want.digests, key)
			}
		}
		if found, err = f.drift(ctx, o, want); err != nil {
			return nil, err
		}
	}
	s.Drift = found.all()
	for key, entry := range o.record.Objects {
		s.Objects[key] = entry.Desired
		if text := found.text(key); text != "" {
			s.Objects[key] = text
		} else if entry.Live == "" {
			s.Objects[key] = "not verified: the last operation did not finish"
		}
	}
	for _, item := range o.strangers(o.recorded) {
		s.Objects[item.Ref.String()] = found.text(item.Ref.String())
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

// suspicious tells whether anything differs from what was recorded.
func (f *Fleet) suspicious(o *observation) bool {
	if len(o.strangers(o.recorded)) > 0 {
		return true
	}
	for key, entry := range o.record.Objects {
		if o.items[key].Digest != entry.Live {
			return true
		}
	}
	return false
}

// quotaUsage reads what the store uses. Room of Jobs carries the prefix "jobs.".
func quotaUsage(quotas []*unstructured.Unstructured) map[string]Usage {
	out := make(map[string]Usage)
	for _, quota := range quotas {
		prefix := ""
		switch quota.GetName() {
		case "services", "objects":
		case "jobs":
			prefix = "jobs."
		default:
			continue
		}
		hard, _, _ := unstructured.NestedMap(quota.Object, "status", "hard")
		used, _, _ := unstructured.NestedMap(quota.Object, "status", "used")
		for name := range hard {
			out[prefix+name] = Usage{Used: kube.Text(used[name]), Hard: kube.Text(hard[name])}
		}
	}
	return out
}
