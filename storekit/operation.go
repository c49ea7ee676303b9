package storekit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const (
	labelFleet = blueprint.LabelFleet
	labelStore = blueprint.LabelStore
)

// operation carries out one step.
type operation struct {
	fleet   *Fleet
	target  Target
	action  Action
	emit    func(Event)
	started time.Time
	phase   string

	lease     *ledger.Lease // of the store; nil for other targets
	decisions []string      // what was decided about an interrupted or failed operation
	undoing   string        // why phases are gone through once more: "rollback"; empty the first time
	failure   string        // what is being undone

	before      string // id of the backup that was made before data are changed, by this operation or an earlier attempt
	backedUp    bool   // this operation has made a backup
	changedData bool   // data are no longer those of the backup before

	// overtime makes a context for what is to be done once the step has failed. It ends with the time of the step or after d,
	// whichever is later, and with a cancel or the loss of the lock.
	overtime func(d time.Duration) (context.Context, context.CancelFunc)

	mu     *sync.Mutex
	result *Result
}

// enter begins a phase.
func (op *operation) enter(phase string, waiting ...spec.Cause) {
	op.phase = phase
	if op.undoing != "" {
		phase = op.undoing + ": " + phase
	}
	op.emit(StepProgress{Target: op.target, Phase: phase, Elapsed: time.Since(op.started), Waiting: waiting})
}

func (op *operation) warn(format string, args ...any) {
	op.emit(Warning{Target: op.target, Message: fmt.Sprintf(format, args...)})
}

// store makes a store what it should be and records the outcome, good or bad. The decided work stays as it is: a preview can be
// applied once, and tells so when it is applied again.
func (op *operation) store(ctx context.Context, store *Store, decided *storeWork) error {
	own, observed := *decided, *decided.observed
	work := &own
	work.observed = &observed
	f, name := op.fleet, work.desired.spec.Name
	f.touched(name)
	version, err := op.unchanged(ctx, name, work.observed)
	if err != nil {
		return err
	}
	work.version = version
	if err = op.converge(ctx, work); err != nil {
		err = op.undo(ctx, work, err)
	}
	tail, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err != nil && op.phase != "ownership" && op.phase != ledger.PhaseDone {
		if recordErr := op.recordFailure(tail, work, err); recordErr != nil {
			err = errors.Join(err, recordErr)
		}
	}
	state, stateErr := op.outcome(tail, name, work)
	if stateErr != nil && err != nil && !errors.Is(stateErr, ErrNotFound) && !errors.Is(stateErr, ErrNotOwned) {
		state = op.remembered(work, err)
	}
	if state != nil {
		op.mu.Lock()
		op.result.Stores[name] = state
		op.mu.Unlock()
	}
	if err == nil {
		store.know(work.desired.spec)
	}
	if err == nil {
		err = stateErr
	}
	return err
}

// outcome tells what a store is like after the operation.
func (op *operation) outcome(ctx context.Context, name string, work *storeWork) (*State, error) {
	if work.after != nil {
		return op.fleet.state(ctx, name, work.after)
	}
	return op.fleet.Get(ctx, name)
}

// remembered is what is known of a store after a failure, when the cluster does not say: a caller that keeps track of stores must not
// forget one that may be there. A store that is not there after all is [ErrNotFound] to the next read.
func (op *operation) remembered(work *storeWork, failure error) *State {
	d, f := work.desired, op.fleet
	s := &State{
		Spec: d.spec, Fleet: f.name, Namespace: d.spec.Namespace(), Phase: op.phase, Failure: failure.Error(),
		Objects: make(map[string]string), Environment: Environment{work.environment},
		Release: Release{Chart: d.release.Chart, ChartVersion: d.release.Version, AppVersion: d.release.AppVersion},
	}
	if d.spec.Host != "" {
		s.URL = "https://" + d.spec.Host
	}
	if work.observed.namespace != nil {
		s.UID = string(work.observed.namespace.GetUID())
	}
	s.ClusterUID = f.client.knownUID()
	return s
}

// converge brings a store from what was observed to what is desired. Every step of it can be repeated.
func (op *operation) converge(ctx context.Context, work *storeWork) error {
	d, o := work.desired, work.observed
	op.enter("ownership")
	if host := d.spec.Host; host != "" {
		if err := op.fleet.client.ledger.ClaimHost(ctx, op.fleet.claim(d.spec.Name, host, "store"), op.waitForHolder); err != nil {
			return hostError(err)
		}
	}
	if work.adopts != nil {
		// Before the namespace carries our labels the record must say that it was there: else a process that dies in between leaves
		// a namespace that looks like one of our making, which goes with its store.
		if err := op.begin(ctx, work); err != nil {
			return err
		}
	}
	if err := op.namespace(ctx, work); err != nil {
		return err
	}
	if old := recordedHost(o); old != "" && old != d.spec.Host {
		if err := op.fleet.client.ledger.ReleaseHost(ctx, op.fleet.claim(d.spec.Name, old, "store")); err != nil {
			return err
		}
	}
	op.enter(ledger.PhaseGuardrails)
	if work.adopts == nil {
		if err := op.begin(ctx, work); err != nil {
			return err
		}
	}
	if err := op.guardrails(ctx, work); err != nil {
		return err
	}
	if err := op.finishRestore(ctx, work); err != nil {
		return err
	}
	if err := op.rotate(ctx, work); err != nil {
		return err
	}
	if err := op.protectData(ctx, work); err != nil {
		return err
	}
	if err := op.reach(ctx, work, ledger.PhaseRelease); err != nil {
		return err
	}
	if err := op.release(ctx, work); err != nil {
		return err
	}
	if work.setUp {
		if err := op.setUpAgain(ctx, d); err != nil {
			return err
		}
	}
	if err := op.restoreData(ctx, work); err != nil {
		return err
	}
	if err := op.reach(ctx, work, ledger.PhaseReady); err != nil {
		return err
	}
	if err := op.awaitReady(ctx, work); err != nil {
		return err
	}
	if err := op.check(ctx, work); err != nil {
		return err
	}
	if err := op.reach(ctx, work, ledger.PhaseExpose); err != nil {
		return err
	}
	for _, object := range d.blueprint.Exposure {
		key := kube.RefOf(object).String()
		if op.needs(work, key) {
			if err := op.apply(ctx, work, object); err != nil {
				return err
			}
		}
	}
	if err := op.retire(ctx, work); err != nil {
		return err
	}
	return op.finish(ctx, work)
}

func recordedHost(o *observation) string {
	if o.record == nil {
		return ""
	}
	return o.record.Spec.Host
}

// namespace makes sure that the namespace is there and ours. Of two that create it at once, the API server lets one pass.
func (op *operation) namespace(ctx context.Context, work *storeWork) error {
	want := work.desired.blueprint.Namespace
	if work.observed.namespace == nil {
		created, err := op.fleet.client.kube.Create(ctx, want)
		switch {
		case apierrors.IsAlreadyExists(err):
			return fmt.Errorf("%w: namespace %s appeared since the preview", ErrPreviewStale, want.GetName())
		case err != nil:
			return err
		}
		work.observed.namespace = created
		return op.wrote(work, created)
	}
	if !op.needs(work, kube.RefOf(want).String()) {
		return nil
	}
	return op.apply(ctx, work, want)
}

// apply makes an object what it should be, but for the fields that the store lets others decide: they stay as they are.
func (op *operation) apply(ctx context.Context, work *storeWork, object *unstructured.Unstructured) error {
	adjusted := object.DeepCopy()
	if err := op.leaveIgnored(ctx, work, adjusted); err != nil {
		return err
	}
	applied, err := op.fleet.client.kube.Apply(ctx, adjusted)
	if err != nil {
		return err
	}
	return op.wrote(work, applied)
}

// wrote remembers what the API server made of a write of this operation, see [operation.finish].
func (op *operation) wrote(work *storeWork, object *unstructured.Unstructured) error {
	item, err := op.fleet.client.kube.Item(object)
	if err != nil {
		return err
	}
	if work.written == nil {
		work.written = make(map[string]string)
	}
	work.written[item.Ref.String()] = item.Digest
	return nil
}

// leaveIgnored copies the fields that the store lets others decide from the live object, if there is one.
func (op *operation) leaveIgnored(ctx context.Context, work *storeWork, object *unstructured.Unstructured) error {
	ref := kube.RefOf(object)
	ref.Namespace = work.desired.spec.Namespace() // what Helm renders has none yet
	if ref.Kind == "Namespace" {
		ref.Namespace = ""
	}
	var live *unstructured.Unstructured
	for _, text := range work.desired.spec.Ignore {
		rule, err := spec.ParseIgnore(text)
		if err != nil {
			return err
		}
		if _, present := work.observed.items[ref.String()]; rule.Object != ref.String() || rule.Path == "" || !present {
			continue
		}
		if live == nil {
			if live, err = op.fleet.client.kube.Get(ctx, ref); apierrors.IsNotFound(err) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if err := kube.CopyField(live, object, rule.Path); err != nil {
			return err
		}
	}
	return nil
}

// needs tells whether an object must be written: it is missing, differs, or should be another than it was.
func (op *operation) needs(work *storeWork, key string) bool {
	if work.observed.record == nil || work.drift == nil {
		return true
	}
	if _, present := work.observed.items[key]; !present { // such as an Ingress that a failed update has taken away
		return true
	}
	return slices.Contains(work.drift.apply, key) || work.observed.entry(key).Desired != work.desired.digests[key]
}

// guardrails applies everything that exists before the first pod and removes what does not belong there.
func (op *operation) guardrails(ctx context.Context, work *storeWork) error {
	d, client := work.desired, op.fleet.client.kube
	for _, secret := range d.blueprint.Secrets {
		key := kube.RefOf(secret.Object).String()
		given := len(secret.Given) > 0
		if !op.needs(work, key) && !given {
			continue
		}
		applied, err := op.fleet.writeSecret(ctx, secret, work.action == Create && work.adopts == nil)
		if err != nil {
			return err
		}
		if err := op.wrote(work, applied); err != nil {
			return err
		}
	}
	for _, object := range d.blueprint.Guardrails {
		if !op.needs(work, kube.RefOf(object).String()) {
			continue
		}
		if err := op.apply(ctx, work, object); err != nil {
			return err
		}
	}
	for _, ref := range work.obsolete {
		if err := client.Delete(ctx, ref, ""); err != nil {
			return err
		}
	}
	if work.drift == nil {
		return nil
	}
	for _, item := range work.drift.delete {
		if err := client.Delete(ctx, item.Ref, item.UID); err != nil {
			return err
		}
	}
	for key, undo := range work.drift.remove {
		if !d.charted[key] {
			if err := op.remove(ctx, undo); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove takes back what others added to an object: exactly the fields that the preview showed.
func (op *operation) remove(ctx context.Context, undo removal) error {
	client := op.fleet.client.kube
	// A controller may write to the object between reading and writing: the patch then fails its test of the version (422).
	moved := func(err error) bool { return apierrors.IsInvalid(err) || apierrors.IsConflict(err) }
	return retry.OnError(retry.DefaultBackoff, moved, func() error {
		live, err := client.Get(ctx, kube.RefOf(undo.want))
		if err != nil {
			return err
		}
		added, err := client.Additions(live, undo.want)
		if err != nil {
			return err
		}
		var pointers []string
		for _, field := range added {
			if slices.Contains(undo.paths, field.Path) {
				pointers = append(pointers, field.Pointer)
			}
		}
		if len(pointers) == 0 {
			return nil // whoever added them has taken them back
		}
		return client.Remove(ctx, kube.RefOf(undo.want), live.GetResourceVersion(), lastFirst(pointers))
	})
}

// lastFirst orders JSON pointers so that a removal from a list does not move what is still to be removed.
func lastFirst(pointers []string) []string {
	slices.SortFunc(pointers, func(a, b string) int { return comparePointers(b, a) })
	return pointers
}

// comparePointers orders JSON pointers, positions in lists as numbers.
func comparePointers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(x, y string) int {
		i, errX := strconv.Atoi(x)
		j, errY := strconv.Atoi(y)
		if errX == nil && errY == nil {
			return cmp.Compare(i, j)
		}
		return strings.Compare(x, y)
	})
}

// finish reads the store back and records it as done. An object that somebody changed meanwhile, or that the API server does not let
// be what it should, is recorded without its live digest: the next preview looks at it closely.
func (op *operation) finish(ctx context.Context, work *storeWork) error {
	op.phase = ledger.PhaseRecord
	d := work.desired
	kinds := make(map[schema.GroupVersionKind]bool)
	for key := range d.digests {
		object, err := d.object(key)
		if err != nil {
			return err
		}
		kinds[object.GroupVersionKind()] = true
	}
	after, err := op.fleet.observeAgain(ctx, d.spec.Name, work.observed.record, slices.Collect(maps.Keys(kinds))...)
	if err != nil {
		return err
	}
	if err := op.sweep(ctx, work, after); err != nil {
		return err
	}
	done := ledger.Record{
		Spec: d.spec, Release: d.release, Operation: op.journal(ledger.PhaseDone, ledger.Operation{}), Objects: make(map[string]ledger.Entry),
		Adopted: work.observed.record.Adopted, Kept: work.observed.record.Kept, Environment: &work.environment,
		Past: work.observed.record.Past, Key: work.observed.record.Key, Given: maps.Clone(work.observed.record.Given),
		Versions: work.versions(), Restored: d.spec.RestoreFrom, Backups: after.backups(),
		Rotated: work.observed.record.Rotated, Incarnation: work.observed.record.Incarnation,
	}
	if work.observed.record.Release.Revision == 0 { // its first passwords are those of this rotation
		done.Rotated = d.spec.Rotation
	}
	if after.release != nil && after.release.Pending() {
		op.decide("release revision %d is there, but Helm could not record that: it is marked deployed", after.release.Revision)
		if after.release, err = op.fleet.client.helm.Confirm(ctx, d.request.Namespace, d.request.Name); err != nil {
			return err
		}
		done.Operation.Decisions = op.decisions
	}
	if after.release != nil {
		done.Release.Revision = after.release.Revision
	}
	if done.Given == nil {
		done.Given = make(map[string]string)
	}
	maps.Copy(done.Given, fingerprints(done.Key, d.blueprint.Secrets))
	for key, digest := range d.digests {
		object, err := d.object(key)
		if err != nil {
			return err
		}
		entry := ledger.Entry{
			APIVersion: object.GetAPIVersion(), Charted: d.charted[key], Scaled: d.scaled[key], Desired: digest, Note: work.note(key),
		}
		switch item, present := after.items[key]; {
		case !present:
		case !item.Foreign && op.asLeft(work, after, key):
			entry.Live = item.Digest
		default:
			entry.Live = op.verified(ctx, d, key, item)
		}
		done.Objects[key] = entry
	}
	if err := op.save(ctx, work, &done); err != nil {
		return err
	}
	after.record = &done
	work.after = after
	op.phase = ledger.PhaseDone
	return nil
}

// asLeft tells whether an object is as this operation left it: as its own write returned it, or as the last operation recorded it
// where it was not written. Who takes a field away leaves no trace among the owners of fields. What Helm wrote cannot be told so: it
// does not say what the API server made of its objects.
func (op *operation) asLeft(work *storeWork, after *observation, key string) bool {
	before := work.observed.entry(key)
	if digest, written := work.written[key]; written {
		before.Live = digest
	} else if work.desired.charted[key] && after.release != nil && (work.observed.release == nil || work.observed.release.Revision != after.release.Revision) {
		return work.drift == nil || work.drift.refused[key] == nil
	}
	before.Scaled = work.desired.scaled[key]
	return before.Matches(after.items[key].Digest)
}

// verified returns the live digest of an object that others write to, when it is as desired all the same.
func (op *operation) verified(ctx context.Context, d *desired, key string, item kube.Item) string {
	found := newDrift()
	if err := op.fleet.inspect(ctx, found, key, d); err != nil {
		return ""
	}
	if found.ignore(d.spec); !found.empty() {
		return ""
	}
	return item.Digest
}

// note says of an object how our wish for it came to be what it is. That of an object which was repaired is forgotten.
func (w *storeWork) note(key string) string {
	if text, changed := w.notes[key]; changed {
		return text
	}
	before := w.observed.entry(key)
	if w.drift == nil || before.Desired != w.desired.digests[key] || w.drift.changes[key] != nil {
		return ""
	}
	return before.Note
}

func (f *Fleet) claim(store, host, holder string) ledger.Claim {
	return ledger.Claim{Host: host, Fleet: f.name, Store: store, Holder: holder}
}

func hostError(err error) error {
	if errors.Is(err, ledger.ErrClaimed) {
		return fmt.Errorf("%w: %w", ErrHostClaimed, err)
	}
	return err
}
