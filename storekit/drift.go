package storekit

import (
	"context"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// drift is how a store differs from what it should be, and what repairs it.
type drift struct {
	changes map[string][]spec.Change // by "Kind/name"
	apply   []string                 // keys of objects to apply
	remove  map[string]removal       // fields that others added, by key
	delete  []kube.Item              // objects that others put beside ours
}

// removal names the fields to remove from an object. Their places are looked up when it is done: by then our own apply may
// have moved them.
type removal struct {
	want  *unstructured.Unstructured
	paths []string
}

func (d *drift) empty() bool { return len(d.changes) == 0 }

// all returns the changes in the order of their objects.
func (d *drift) all() []spec.Change {
	var out []spec.Change
	for _, key := range slices.Sorted(maps.Keys(d.changes)) {
		out = append(out, d.changes[key]...)
	}
	return out
}

// text says how an object differs; empty when it does not.
func (d *drift) text(key string) string {
	var lines []string
	for _, change := range d.changes[key] {
		lines = append(lines, strings.TrimPrefix(describe(change), key+": "))
	}
	return strings.Join(lines, "; ")
}

// drift screens every object by its recorded digests and looks closely only at those that do not match. Objects whose desired
// form has changed since are looked at, too: what an apply will change there is shown the same way.
func (f *Fleet) drift(ctx context.Context, o *observation, d *desired) (*drift, error) {
	out := &drift{changes: make(map[string][]spec.Change), remove: make(map[string]removal)}
	for _, key := range slices.Sorted(maps.Keys(d.digests)) {
		entry, item := o.entry(key), o.items[key]
		switch {
		case item.UID == "" && d.exposed(key) && !o.record.Complete():
			// not exposed yet
		case item.UID == "":
			object, err := d.object(key)
			if err != nil {
				return nil, err
			}
			out.changes[key] = []spec.Change{{Object: kube.RefOf(object), New: "present"}}
			out.apply = append(out.apply, key)
		case entry.Live != "" && entry.Live == item.Digest && entry.Desired == d.digests[key]:
			// as it was left
		default:
			if err := f.inspect(ctx, out, key, d); err != nil {
				return nil, err
			}
		}
	}
	known := func(key string) bool { return d.digests[key] != "" || o.recorded(key) }
	for _, item := range o.strangers(known) {
		out.changes[item.Ref.String()] = []spec.Change{f.stranger(ctx, item)}
		out.delete = append(out.delete, item)
	}
	return out, nil
}

// inspect compares one object field by field: a dry run shows the fields that we set, the owners of fields show what others
// added.
func (f *Fleet) inspect(ctx context.Context, out *drift, key string, d *desired) error {
	want, err := d.object(key)
	if err != nil {
		return err
	}
	live, err := f.client.kube.Get(ctx, kube.RefOf(want))
	switch {
	case apierrors.IsNotFound(err):
		out.changes[key] = []spec.Change{{Object: kube.RefOf(want), New: "present"}}
		out.apply = append(out.apply, key)
		return nil
	case err != nil:
		return err
	}
	if secret, ok := d.secret(key); ok {
		if missing := missingKeys(secret, live); len(missing) > 0 {
			out.changes[key] = []spec.Change{{Object: kube.RefOf(want), Path: "data." + strings.Join(missing, ", data."), New: sensitive}}
			out.apply = append(out.apply, key)
		}
		return nil
	}
	changes, err := f.setFields(ctx, want, live)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		out.apply = append(out.apply, key)
	}
	added, err := f.client.kube.Additions(live, want)
	if err != nil {
		return err
	}
	if len(added) > 0 {
		undo := removal{want: want}
		for _, field := range added {
			undo.paths = append(undo.paths, field.Path)
			changes = append(changes, spec.Change{
				Object: kube.RefOf(want), Path: field.Path, Old: kube.Text(field.Value), Manager: field.Manager, When: field.When,
			})
		}
		out.remove[key] = undo
	}
	if len(changes) > 0 {
		out.changes[key] = changes
	}
	return nil
}

// setFields lists the fields of a live object that an apply would change.
func (f *Fleet) setFields(ctx context.Context, want, live *unstructured.Unstructured) ([]spec.Change, error) {
	dry, err := f.client.kube.DryRun(ctx, want)
	if err != nil {
		return nil, err
	}
	before, err := kube.Normal(live)
	if err != nil {
		return nil, err
	}
	after, err := kube.Normal(dry)
	if err != nil {
		return nil, err
	}
	var changes []spec.Change
	for _, difference := range kube.Compare(before, after) {
		change := spec.Change{Object: kube.RefOf(want), Path: difference.Path, Old: kube.Text(difference.Old), New: kube.Text(difference.New)}
		change.Manager, change.When = kube.Owner(live, difference.Path)
		if change.Manager == f.client.kube.Manager { // not drift: our own wish has changed
			change.Manager, change.When = "", change.When.Truncate(0)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// stranger describes an object that others put beside ours.
func (f *Fleet) stranger(ctx context.Context, item kube.Item) spec.Change {
	change := spec.Change{Object: item.Ref, Old: "present"}
	live, err := f.client.kube.Get(ctx, item.Ref)
	if err != nil {
		return change // who made it is a courtesy
	}
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil {
			change.Manager, change.When = entry.Manager, entry.Time.Time
		}
	}
	return change
}

// entry returns what was recorded of an object.
func (o *observation) entry(key string) recordEntry {
	if o.record == nil {
		return recordEntry{}
	}
	return o.record.Objects[key]
}
