package storekit

import (
	"context"
	"errors"
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
	refused  map[string]error         // what the API server said to what an apply would make of an object, by key
	rights   map[string]bool          // whether this account may patch objects, by kind, as far as that was asked
	warnings []string                 // what could not be looked at, each once
}

// removal names the fields to remove from an object. Their places are looked up when it is done: by then our own apply may
// have moved them.
type removal struct {
	want  *unstructured.Unstructured
	paths []string
}

func newDrift() *drift {
	return &drift{
		changes: make(map[string][]spec.Change), remove: make(map[string]removal),
		refused: make(map[string]error), rights: make(map[string]bool),
	}
}

func (d *drift) empty() bool { return len(d.changes) == 0 }

// repairable tells whether an apply would undo any of it.
func (d *drift) repairable() bool {
	for key := range d.changes {
		if d.refused[key] == nil || len(d.remove[key].paths) > 0 {
			return true
		}
	}
	return false
}

// warn says something once.
func (d *drift) warn(text string) {
	if !slices.Contains(d.warnings, text) {
		d.warnings = append(d.warnings, text)
	}
}

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
	for _, key := range slices.Sorted(maps.Keys(out.refused)) {
		if out.changes[key] != nil && o.entry(key).Desired == d.digests[key] { // else it is a change to come
			out.warn(fmt.Sprintf("an object is not what it should be, and the API server refuses to make it that: %v. %s", out.refused[key], settleRefusal))
		}
	}
	return out, nil
}

// settleRefusal is what can be done about an object that the API server does not let be what it should.
const settleRefusal = "Make the configuration say what it is, leave it to others with ignore_drift (Ignore in Go), or delete it where nothing is " +
	"lost with it: then it is made anew"

// refusal is the error about a change that the API server refuses now, and so would in the middle of the apply: of an object that is
// wanted otherwise than it was, or of one that Helm is going to send with its release. What admission refuses may pass once quota,
// limits or namespace are what the same step makes of them: that remains a warning.
func (d *drift) refusal(o *observation, want *desired, upgrades bool) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(d.refused)) {
		err := d.refused[key]
		switch changed := o.entry(key).Desired != want.digests[key]; {
		case apierrors.IsForbidden(err) && d.admitsOtherwise(o, want):
			if changed {
				d.warn(fmt.Sprintf("the API server refuses a change as things are now: %v. The apply makes it after it has changed quota, limits or "+
					"namespace, and fails if it is refused then, too", err))
			}
		case changed:
			errs = append(errs, err)
		case upgrades && want.charted[key] && d.changes[key] != nil:
			errs = append(errs, fmt.Errorf("the release cannot be upgraded while one of its objects is not what it should be, and cannot be made that: %w. "+
				settleRefusal, err))
		}
	}
	return errors.Join(errs...)
}

// admitsOtherwise tells whether a step changes something that admission goes by, or frees room of a quota.
func (d *drift) admitsOtherwise(o *observation, want *desired) bool {
	for key := range d.changes {
		if kind, _, _ := strings.Cut(key, "/"); kind == "Namespace" || kind == "ResourceQuota" || kind == "LimitRange" {
			return true
		}
	}
	for key := range o.record.Objects {
		if want.digests[key] == "" && strings.HasPrefix(key, "PersistentVolumeClaim/") {
			return true
		}
	}
	return false
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
		if _, err := f.dryRun(ctx, out, want); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if out.refused[key] != nil && len(d.spec.Ignore) > 0 { // what others decide about is not sent as it was rendered
			delete(out.refused, key)
			return f.inspect(ctx, out, key, d)
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
	} else {
		want = leftToOthers(d.spec, want, live)
		if changes, err = f.setFields(ctx, out, want, live); err != nil {
			return err
		}
	}
	if len(changes) > 0 && out.refused[key] == nil {
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

// leftToOthers is an object with the fields that the store lets others decide as they are, which is how it is applied.
func leftToOthers(s spec.Store, want, live *unstructured.Unstructured) *unstructured.Unstructured {
	want = want.DeepCopy()
	for _, text := range s.Ignore {
		rule, err := spec.ParseIgnore(text)
		if err != nil || rule.Path == "" || rule.Object != kube.RefOf(want).String() {
			continue
		}
		if err := kube.CopyField(live, want, rule.Path); err != nil {
			continue // the apply says that; here the field is no change in any case
		}
	}
	return want
}

// setFields lists the fields of a live object that an apply would change, or would if the API server let it.
func (f *Fleet) setFields(ctx context.Context, out *drift, want, live *unstructured.Unstructured) ([]spec.Change, error) {
	dry, err := f.dryRun(ctx, out, want)
	if err != nil {
		return nil, err
	}
	var differences []kube.Difference
	if dry == nil {
		differences, err = kube.CompareSet(live, want)
	} else {
		differences, err = kube.CompareNormal(live, dry)
	}
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

// dryRun asks the server what an apply would make of an object. It is nil where the server does not tell, and out has why: the account
// may only read, what is asked for is refused, or it cannot be tried.
func (f *Fleet) dryRun(ctx context.Context, out *drift, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	dry, err := f.client.kube.DryRun(ctx, want)
	switch ref := kube.RefOf(want); {
	case err == nil:
		return dry, nil
	case apierrors.IsInvalid(err):
		out.refused[ref.String()] = err
		return nil, nil
	case apierrors.IsForbidden(err): // for want of rights, or by admission
		may, known := out.rights[ref.Kind]
		if !known {
			var askErr error
			if may, askErr = f.client.kube.MayPatch(ctx, ref); askErr != nil {
				return nil, askErr
			}
			out.rights[ref.Kind] = may
		}
		if may {
			out.refused[ref.String()] = err
		} else {
			out.warn(noDryRun)
		}
		return nil, nil
	case apierrors.IsBadRequest(err): // webhooks that have no dry runs are answered for so, and some refuse with this code
		out.warn(fmt.Sprintf("a change could not be tried, so that only the apply can tell whether it passes: %v", err))
		return nil, nil
	}
	return nil, err
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
