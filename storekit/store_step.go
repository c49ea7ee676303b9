package storekit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// storeWork is what a step does to a store: decided data that [operation.converge] carries out.
type storeWork struct {
	action      Action
	adopts      *Adoption // nil when the store makes its namespace
	incarnation string    // that the store takes on; empty = it keeps its own
	desired     *desired
	observed    *observation
	environment blueprint.Environment // that desired was rendered for
	drift       *drift
	notes       map[string]string // how our wish for objects has changed, by "Kind/name"
	version     string            // of the record, as this operation wrote it last
	written     map[string]string // digests of the objects that this operation wrote, as the API server made them, by "Kind/name"
	after       *observation      // the store when the work was done
	undoes      *desired          // what failed and is taken back; nil when this is no rollback
	setUp       bool              // the shop is set up again, though its release may stay
	obsolete    []spec.ObjectRef  // recorded objects that the store no longer has; those of the chart are Helm's to remove
}

// storeStep decides what to do about a store of a program.
func (f *Fleet) storeStep(ctx context.Context, store *Store) (*Step, error) {
	o, err := f.look(ctx, store.Spec.Name)
	if err != nil {
		return nil, err
	}
	return f.storeStepFrom(ctx, store, o)
}

// storeStepFrom decides about a store that was observed.
func (f *Fleet) storeStepFrom(ctx context.Context, store *Store, o *observation) (*Step, error) {
	env, err := f.client.environment(ctx)
	if err != nil {
		return nil, err
	}
	s := store.Spec.WithDefaults()
	d, err := f.desire(ctx, s, &env.Environment, o.record)
	if err != nil {
		return nil, err
	}
	if err := f.contained(d); err != nil {
		return nil, err
	}
	if err := f.restorable(ctx, s, o); err != nil {
		return nil, err
	}
	if host := d.spec.Host; host != "" && host != recordedHost(o) { // what it has already costs no request
		if err := f.CheckHost(ctx, spec.Domain{Store: s.Name, Host: host}); err != nil {
			return nil, err
		}
	}
	step := &Step{Target: StoreTarget(s.Name), Objects: d.outline(), warnings: slices.Concat(env.warnings, o.warnings)}
	work := &storeWork{desired: d, observed: o, environment: env.Environment, incarnation: store.Incarnation}
	switch {
	case o.namespace == nil:
		step.Action, step.Why = Create, []string{"there is no store of that name"}
	case o.terminating():
		return nil, fmt.Errorf("store %q is being deleted: apply again when namespace %s is gone", s.Name, o.namespace.GetName())
	case !o.ours && !s.Adopt:
		return nil, f.notOwned(s.Name, o.namespace)
	case !o.ours && !unclaimed(o.namespace):
		return nil, fmt.Errorf("cannot adopt: %w", f.notOwned(s.Name, o.namespace))
	case !o.ours:
		keeps, err := f.inhabitants(ctx, o.namespace.GetName())
		if err != nil {
			return nil, err
		}
		work.adopts = &Adoption{Namespace: o.namespace.GetName(), Keeps: keeps}
		step.Adopts = work.adopts
		step.Action, step.Why = Create, []string{fmt.Sprintf("adopts namespace %s and keeps the %d objects in it", o.namespace.GetName(), len(keeps))}
	default:
		if err := f.compareStore(ctx, step, work); err != nil {
			return nil, err
		}
	}
	work.action = step.Action
	if step.Action == Create {
		warnings := s.Warnings()
		for _, path := range slices.Sorted(maps.Keys(warnings)) {
			step.Notices = append(step.Notices, path+" "+warnings[path])
		}
	}
	if step.Action == None {
		store.know(d.spec)
	} else {
		step.run = func(ctx context.Context, op *operation) error { return op.store(ctx, store, work) }
	}
	return step, nil
}

// unclaimed tells whether a namespace carries no label of any fleet.
func unclaimed(namespace *unstructured.Unstructured) bool {
	return namespace.GetLabels()[labelFleet] == "" && namespace.GetLabels()[labelStore] == ""
}

// compareStore decides about a store that exists.
func (f *Fleet) compareStore(ctx context.Context, step *Step, work *storeWork) error {
	o, d := work.observed, work.desired
	if o.record == nil {
		step.Action, step.Why = Resume, []string{"an earlier operation ended before it recorded anything"}
		work.drift = newDrift()
		return nil
	}
	why, err := specChanges(o.record.Spec, d.spec)
	if err != nil {
		return err
	}
	was := sync.OnceValues(func() (*desired, error) { return f.recorded(ctx, o, &work.environment) })
	if work.drift, err = f.drift(ctx, o, d, was); err != nil {
		return err
	}
	if work.notes, err = notes(o, d, was); err != nil {
		return err
	}
	wanted := false // the desired form of some object changed
	for key, entry := range o.record.Objects {
		if _, still := d.digests[key]; still {
			continue
		}
		wanted = true
		if item, present := o.items[key]; present && !entry.Charted {
			work.obsolete = append(work.obsolete, item.Ref)
			step.Changes = append(step.Changes, spec.Change{Object: item.Ref, Old: "present"})
		}
	}
	for key, digest := range d.digests {
		wanted = wanted || o.entry(key).Desired != digest
	}
	step.releases = o.record.Release.Digest != d.release.Digest
	if err := work.drift.refusal(o, d, step.releases || work.drift.released || !o.record.Complete()); err != nil {
		return err
	}
	step.warnings = append(step.warnings, work.drift.warnings...)
	given := givenAnew(o.record, d.blueprint.Secrets)
	work.setUp = slices.ContainsFunc(given, func(c spec.Change) bool { return c.Object.Name == blueprint.AdminName })
	step.Changes = append(append(step.Changes, given...), work.drift.all()...)
	switch {
	case !o.record.Complete():
		step.Action = Resume
		step.Why = append([]string{fmt.Sprintf("interrupted at %s (%s, begun %s)", o.record.Operation.Phase, o.record.Operation.Holder,
			o.record.Operation.Started.UTC().Format("2006-01-02T15:04:05Z"))}, why...)
		if restoring := o.record.Restoring; restoring != "" {
			step.Why = append(step.Why, fmt.Sprintf("the restore of backup %s was interrupted: it is done first", restoring))
		}
	case len(why) > 0:
		step.Action, step.Why = Update, why
		if failure := o.record.Operation.Error; failure != "" {
			step.Why, step.Failure = append(step.Why, "the last update was rolled back: "+failure), failure
		}
	case len(given) > 0:
		step.Action, step.Why = Update, []string{"a secret is given anew"}
	case wanted || o.record.Release.Digest != d.release.Digest:
		step.Action, step.Why = Update, []string{"this version of storeplatform, or the cluster's nodes or ingress, ask for other objects"}
	case work.drift.repairable():
		step.Action, step.Why = Repair, []string{"drift"}
	case work.incarnation != "" && work.incarnation != o.record.Incarnation:
		step.Action, step.Why = Update, []string{"it is created again, and taken over as it is"}
	default:
		step.Action = None
	}
	if upgrades := work.upgrades(); len(upgrades) > 0 {
		step.Why = append(step.Why, "a backup is made before, for versions change: "+strings.Join(upgrades, ", "))
	}
	return nil
}

// recorded renders a store as its last operation wanted it.
func (f *Fleet) recorded(ctx context.Context, o *observation, env *blueprint.Environment) (*desired, error) {
	if o.record.Environment != nil {
		env = o.record.Environment
	}
	return f.desire(ctx, o.record.Spec, env, o.record)
}

// notes says of every object that nobody else has touched how our wish for it has changed.
func notes(o *observation, d *desired, was func() (*desired, error)) (map[string]string, error) {
	out := make(map[string]string)
	for key, digest := range d.digests {
		entry := o.entry(key)
		if entry.Desired == "" || entry.Desired == digest || !entry.Matches(o.items[key].Digest) {
			continue
		}
		before, err := was()
		if err != nil || before.digests[key] != entry.Desired {
			continue // there is nothing to compare with
		}
		if out[key], err = note(before, d, key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inhabitants lists what a namespace holds that is to be adopted, as far as stores have such things.
func (f *Fleet) inhabitants(ctx context.Context, namespace string) ([]spec.ObjectRef, error) {
	var queries []kube.SnapshotQuery
	for _, kind := range append(guardKinds(), "ConfigMap", "PersistentVolumeClaim", "Service", "Deployment", "StatefulSet", "Job", "CronJob", "Ingress") {
		queries = append(queries, kube.SnapshotQuery{Query: kube.Query{Kind: kube.KnownKind(kind), Namespace: namespace}})
	}
	secrets := kube.SnapshotQuery{Query: kube.Query{Kind: kube.KnownKind("Secret"), Namespace: namespace, Metadata: true}}
	snapshot, err := f.client.kube.Snapshot(ctx, append(queries, secrets))
	if err != nil {
		return nil, err
	}
	var refs []spec.ObjectRef
	for _, item := range snapshot.Items(namespace) {
		switch item.Ref.String() {
		case "ConfigMap/kube-root-ca.crt": // Kubernetes puts one into every namespace
		case "Secret/" + ledger.RecordName: // of an adoption that was interrupted
		default:
			refs = append(refs, item.Ref)
		}
	}
	slices.SortFunc(refs, func(a, b spec.ObjectRef) int { return strings.Compare(a.String(), b.String()) })
	return refs, nil
}

// specChanges names the fields that differ between two specifications.
func specChanges(recorded, wanted spec.Store) ([]string, error) {
	before, err := specFields(recorded)
	if err != nil {
		return nil, err
	}
	after, err := specFields(wanted)
	if err != nil {
		return nil, err
	}
	var why []string
	for _, difference := range kube.Compare(before, after) {
		why = append(why, fmt.Sprintf("%s: %s -> %s", difference.Path, orNone(difference.Old), orNone(difference.New)))
	}
	return why, nil
}

func specFields(s spec.Store) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode store %q: %w", s.Name, err)
	}
	fields, err := spec.DecodeValues(data)
	if err != nil {
		return nil, fmt.Errorf("encode store %q: %w", s.Name, err)
	}
	return &unstructured.Unstructured{Object: fields}, nil
}

// orNone prints a value of a specification, where what is empty is not set.
func orNone(v any) string {
	if v == nil || v == "" {
		return "none"
	}
	return kube.Text(v)
}

// deleteStep decides about a store that is to go.
func (f *Fleet) deleteStep(ctx context.Context, name string, opts *runOptions) (*Step, error) {
	o, err := f.look(ctx, name)
	if err != nil {
		return nil, err
	}
	step := &Step{Target: StoreTarget(name), Action: Delete, Why: []string{"not in the program"}}
	switch {
	case o.namespace == nil:
		step.Action = None
		return step, nil
	case !o.ours:
		return nil, f.notOwned(name, o.namespace)
	case o.record != nil && !opts.means(o.record.Incarnation):
		return nil, fmt.Errorf("store %q: %w", name, ErrCreatedAgain)
	case o.record != nil && !o.record.Spec.AllowDeletion:
		return nil, fmt.Errorf("store %q: %w: set deletion_protection = false (AllowDeletion in Go), apply, then delete", name, ErrProtected)
	case o.lostRecord():
		return nil, fmt.Errorf("store %q: %w: its record (Secret/%s) is lost, so nobody knows whether it may go. Apply it once more: that writes the record anew",
			name, ErrProtected, ledger.RecordName)
	}
	if o.record != nil && o.record.Spec.Retention == spec.DeleteData {
		claims, err := f.claims(ctx, o)
		if err != nil {
			return nil, err
		}
		for _, claim := range claims {
			step.Removes = append(step.Removes, kube.RefOf(claim))
		}
		slices.SortFunc(step.Removes, func(a, b spec.ObjectRef) int { return strings.Compare(a.String(), b.String()) })
	}
	step.run = func(ctx context.Context, op *operation) error { return op.deleteStore(ctx, name, o) }
	return step, nil
}
