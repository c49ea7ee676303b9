package storekit

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// drift is how a store differs from what it should be, and what repairs it.
type drift struct {
	changes  map[string][]spec.Change // by "Kind/name"
	apply    []string                 // keys of objects to apply
	remove   map[string]removal       // fields that others added, by key
	delete   []kube.Item              // objects that others put beside ours
	released bool                     // the release is not the one that the last operation left
	warnings []string                 // what could not be looked at, each once
}

// removal names the fields to remove from an object. Their places are looked up when it is done: by then our own apply may
// have moved them.
type removal struct {
	want  *unstructured.Unstructured
	paths []string
}

func newDrift() *drift {
	return &drift{changes: make(map[string][]spec.Change), remove: make(map[string]removal)}
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
	if d.changes[key] == nil {
		return ""
	}
	var lines []string
	for _, change := range d.changes[key] {
		lines = append(lines, strings.TrimPrefix(describe(change), key+": "))
	}
	// What Terraform's state holds of a store is bounded: much drift gets fewer words for each object.
	return shorten(strings.Join(lines, "; "), min(600, max(60, 3000/len(d.changes))))
}

// drift screens every object by its recorded digests and looks closely only at those that do not match. was is the store as it
// was recorded, rendered by this program: where only our wish has changed since, the two are compared without the cluster.
func (f *Fleet) drift(ctx context.Context, o *observation, d *desired, was func() (*desired, error)) (*drift, error) {
	out := newDrift()
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
			out.missing(key, object)
		case o.ignoredOnce(key, d.spec):
			if err := f.inspect(ctx, out, key, d); err != nil {
				return nil, err
			}
		case entry.Matches(item.Digest) && entry.Desired == d.digests[key]:
			// as it was left
		case entry.Matches(item.Digest):
			if err := f.reconsider(ctx, out, key, d, entry.Desired, was); err != nil {
				return nil, err
			}
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
	f.releaseDrift(ctx, out, o)
	out.ignore(d.spec)
	return out, nil
}

// ignoredOnce tells whether the last operation left something of an object to others that the store no longer leaves to them.
func (o *observation) ignoredOnce(key string, s spec.Store) bool {
	return o.record != nil && slices.ContainsFunc(o.record.Spec.Ignore, func(text string) bool {
		rule, err := spec.ParseIgnore(text)
		return err == nil && rule.Object == key && !slices.Contains(s.Ignore, text)
	})
}

func (d *drift) missing(key string, want *unstructured.Unstructured) {
	d.changes[key] = []spec.Change{{Object: kube.RefOf(want), New: "present"}}
	d.apply = append(d.apply, key)
}

// reconsider compares an object that nobody has touched with what it should be from now on.
func (f *Fleet) reconsider(ctx context.Context, out *drift, key string, d *desired, recorded string, was func() (*desired, error)) error {
	before, err := was()
	if err != nil || before.digests[key] != recorded { // its chart cannot be had any more, or another version of this program made it
		return f.inspect(ctx, out, key, d)
	}
	moved, err := moves(before, d, key)
	if err != nil {
		return err
	}
	if d.charted[key] { // what the API server refuses to change is an error now, not in the middle of the apply
		want, err := d.object(key)
		if err != nil {
			return err
		}
		if _, err := f.client.kube.DryRun(ctx, want); apierrors.IsForbidden(err) {
			out.warnings = []string{noDryRun}
		} else if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	out.apply = append(out.apply, key)
	if len(moved) > 0 {
		out.changes[key] = moved
	}
	return nil
}

// moves lists how an object differs between two wishes.
func moves(before, after *desired, key string) ([]spec.Change, error) {
	from, err := before.object(key)
	if err != nil {
		return nil, err
	}
	to, err := after.object(key)
	if err != nil || from == nil || to == nil {
		return nil, err
	}
	var out []spec.Change
	for _, difference := range kube.Compare(from, to) {
		out = append(out, changeOf(to, difference))
	}
	return out, nil
}

func changeOf(object *unstructured.Unstructured, d kube.Difference) spec.Change {
	d = d.Mask(object.GetKind())
	return spec.Change{Object: kube.RefOf(object), Path: d.Path, Old: kube.Text(d.Old), New: kube.Text(d.New)}
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
		out.missing(key, want)
		return nil
	case err != nil:
		return err
	}
	var changes []spec.Change
	if secret, ok := d.secret(key); ok {
		want = withKeys(secret)
		if missing := missingKeys(secret, live); len(missing) > 0 {
			changes = append(changes, spec.Change{Object: kube.RefOf(want), Path: "data." + strings.Join(missing, ", data."), New: kube.Sensitive})
		}
	} else if changes, err = f.setFields(ctx, want, live, out); err != nil {
		return err
	}
	if len(changes) > 0 {
		out.apply = append(out.apply, key)
	}
	added, err := f.additions(ctx, live, want)
	if err != nil {
		return err
	}
	if len(added) > 0 {
		undo := removal{want: want}
		for _, field := range added {
			undo.paths = append(undo.paths, field.Path)
			change := changeOf(want, kube.Difference{Path: field.Path, Old: field.Value})
			change.Manager, change.When = field.Manager, field.When
			changes = append(changes, change)
		}
		out.remove[key] = undo
	}
	if len(changes) > 0 {
		out.changes[key] = changes
	}
	return nil
}

// additions lists the fields that others added to an object. One that would be back at once, because it says what is the default
// anyway, is none.
func (f *Fleet) additions(ctx context.Context, live, want *unstructured.Unstructured) ([]kube.Field, error) {
	added, err := f.client.kube.Additions(live, want)
	if err != nil || len(added) == 0 {
		return nil, err
	}
	var pointers []string
	for _, field := range added {
		pointers = append(pointers, field.Pointer)
	}
	without, err := f.client.kube.DryRemove(ctx, kube.RefOf(live), live.GetResourceVersion(), lastFirst(pointers))
	switch {
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsConflict(err):
		return added, nil // it cannot be tried, or not by itself
	case err != nil:
		return nil, err
	}
	return slices.DeleteFunc(added, func(field kube.Field) bool { return reflect.DeepEqual(field.In(without), field.Value) }), nil
}

// setFields lists the fields of a live object that an apply would change.
func (f *Fleet) setFields(ctx context.Context, want, live *unstructured.Unstructured, out *drift) ([]spec.Change, error) {
	differences, err := f.dryRun(ctx, want, live, out)
	if err != nil {
		return nil, err
	}
	var changes []spec.Change
	for _, difference := range differences {
		change := changeOf(want, difference)
		manager, when := kube.Owner(live, difference.Path)
		if manager != f.client.kube.Manager { // else it is not drift: our own wish has changed
			change.Manager, change.When = manager, when
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// noDryRun is said once of a store, however many of its objects it concerns.
const noDryRun = "dry runs are forbidden to this account, so changed objects were compared without the API server: the fields that are set " +
	"differ or do not, but what admission and defaults would make of them is not known. Grant the verb patch to have that shown"

// dryRun asks the server what an apply would change. An account that may only read gets the differences without the server's
// defaults and admission.
func (f *Fleet) dryRun(ctx context.Context, want, live *unstructured.Unstructured, out *drift) ([]kube.Difference, error) {
	dry, err := f.client.kube.DryRun(ctx, want)
	if apierrors.IsForbidden(err) {
		out.warnings = []string{noDryRun}
		return kube.CompareSet(live, want)
	}
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
	return kube.Compare(before, after), nil
}

// stranger describes an object that others put beside ours.
func (f *Fleet) stranger(ctx context.Context, item kube.Item) spec.Change {
	change := spec.Change{Object: item.Ref, Old: "present"}
	change.Manager, change.When = f.author(ctx, item.Ref)
	return change
}

// author tells who last wrote an object. That is a courtesy: nothing when it cannot be read.
func (f *Fleet) author(ctx context.Context, ref spec.ObjectRef) (manager string, when time.Time) {
	live, err := f.client.kube.Get(ctx, ref)
	if err != nil {
		return "", time.Time{}
	}
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil && !entry.Time.Time.Before(when) {
			manager, when = entry.Manager, entry.Time.Time
		}
	}
	return manager, when
}

// releaseKey is the key of the Helm release among the objects of a store.
const releaseKey = "Release/" + blueprint.ReleaseName

func (o *observation) releaseRef() spec.ObjectRef {
	return spec.ObjectRef{APIVersion: "helm.sh/v3", Kind: "Release", Namespace: o.namespace.GetName(), Name: blueprint.ReleaseName}
}

// releaseDrift tells a release that another tool upgraded, rolled back or removed.
func (f *Fleet) releaseDrift(ctx context.Context, out *drift, o *observation) {
	if !o.record.Complete() || o.record.Release.Revision == 0 {
		return
	}
	change := spec.Change{Object: o.releaseRef(), Path: "revision", New: fmt.Sprintf("as in revision %d", o.record.Release.Revision)}
	switch {
	case o.release == nil:
		change.Path, change.New = "", "present"
	case o.release.Revision == o.record.Release.Revision && !o.release.Pending():
		return
	default:
		change.Old = fmt.Sprintf("%d (%s)", o.release.Revision, o.release.Status)
		change.Manager, change.When = f.author(ctx, spec.ObjectRef{
			APIVersion: "v1", Kind: "Secret", Namespace: o.namespace.GetName(), Name: release.SecretName(blueprint.ReleaseName, o.release.Revision),
		})
	}
	out.released = true
	out.changes[releaseKey] = []spec.Change{change}
}

// ignore drops what the store lets others change.
func (d *drift) ignore(s spec.Store) {
	if len(s.Ignore) == 0 {
		return
	}
	for key, changes := range d.changes {
		left := slices.DeleteFunc(slices.Clone(changes), s.Ignores)
		if len(left) == len(changes) {
			continue
		}
		if d.changes[key] = left; len(left) == 0 {
			delete(d.changes, key)
			d.apply = slices.DeleteFunc(d.apply, func(one string) bool { return one == key })
		}
		if undo, ok := d.remove[key]; ok {
			undo.paths = slices.DeleteFunc(undo.paths, func(path string) bool {
				return !slices.ContainsFunc(left, func(c spec.Change) bool { return c.Path == path })
			})
			d.remove[key] = undo
		}
		if key == releaseKey {
			d.released = len(left) > 0
		}
	}
	d.delete = slices.DeleteFunc(d.delete, func(item kube.Item) bool { return d.changes[item.Ref.String()] == nil })
}

// entry returns what was recorded of an object.
func (o *observation) entry(key string) recordEntry {
	if o.record == nil {
		return recordEntry{}
	}
	return o.record.Objects[key]
}
