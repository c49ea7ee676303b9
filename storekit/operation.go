package storekit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
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
	decisions []string      // what was decided about an interrupted operation

	mu     *sync.Mutex
	result *Result
}

// locked runs a step. One about a store runs under the lock of that store.
func (op *operation) locked(ctx context.Context, step Step) error {
	if op.target.Kind != TargetStore {
		return step.run(ctx, op)
	}
	op.phase = "lock"
	lease, within, err := op.fleet.client.ledger.Acquire(ctx, op.fleet.name, op.target.Name, holder(), func(locked *LockedError) {
		op.enter("lock", spec.Cause{
			Code: "locked", Object: spec.ObjectRef{Kind: "Store", Name: op.target.Name},
			Message: fmt.Sprintf("a sign of life of %s, who has the lock since %s", locked.Holder, locked.Since.UTC().Format(time.RFC3339)),
		})
	})
	if err != nil {
		return err
	}
	op.lease = lease
	if lease.TakenFrom != "" {
		op.decide("the lock was taken over from %s, who gave no sign of life", lease.TakenFrom)
	}
	err = step.run(within, op)
	if errors.Is(context.Cause(within), ledger.ErrLeaseLost) {
		err = errors.Join(ErrLockLost, err)
	}
	// The lock is given back also after a cancel: the next operation need not wait for it to expire.
	tail, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if op.lease == nil { // it went with the store
		return err
	}
	if failed := lease.Release(tail); failed != nil {
		op.warn("the lock could not be given back and expires by itself: %v", failed)
	}
	return err
}

// decide notes what is done about what an interrupted operation has left.
func (op *operation) decide(format string, args ...any) {
	op.decisions = append(op.decisions, fmt.Sprintf(format, args...))
	op.warn(format, args...)
}

// unchanged makes sure that nobody has worked on a store since it was observed, and returns the version of its record.
func (op *operation) unchanged(ctx context.Context, store string, o *observation) (version string, err error) {
	if o.namespace == nil || !o.ours {
		return "", nil // the API server lets one create it, or it is yet to be adopted
	}
	ref := spec.ObjectRef{APIVersion: "v1", Kind: "Secret", Namespace: spec.NamespaceOf(store), Name: ledger.RecordName}
	live, err := op.fleet.client.kube.Get(ctx, ref)
	switch {
	case apierrors.IsNotFound(err) && o.record == nil:
		return "", nil
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("%w: the record of the store is gone", ErrPreviewStale)
	case err != nil:
		return "", err
	}
	now, err := ledger.DecodeRecord(live)
	switch {
	case err != nil:
		return "", err
	case o.record == nil || !now.Operation.Same(o.record.Operation):
		return "", fmt.Errorf("%w: %s has worked on the store", ErrPreviewStale, now.Operation.Holder)
	}
	return live.GetResourceVersion(), nil
}

// enter begins a phase.
func (op *operation) enter(phase string, waiting ...spec.Cause) {
	op.phase = phase
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
	err = op.converge(ctx, work)
	// The record and the state of a failed or cancelled operation are worth a few more seconds.
	tail, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err != nil && op.phase != "ownership" {
		if recordErr := op.recordFailure(tail, work, err); recordErr != nil {
			err = errors.Join(err, recordErr)
		}
	}
	state, stateErr := op.outcome(tail, name, work)
	if stateErr == nil {
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

// converge brings a store from what was observed to what is desired. Every step of it can be repeated.
func (op *operation) converge(ctx context.Context, work *storeWork) error {
	d, o := work.desired, work.observed
	op.enter("ownership")
	if host := d.spec.Host; host != "" {
		if err := op.fleet.client.ledger.ClaimHost(ctx, op.fleet.claim(d.spec.Name, host, "store")); err != nil {
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
	op.enter(ledger.PhaseRelease)
	if err := op.release(ctx, work); err != nil {
		return err
	}
	op.enter(ledger.PhaseReady)
	if err := op.awaitReady(ctx, d); err != nil {
		return err
	}
	op.enter(ledger.PhaseExpose)
	for _, object := range d.blueprint.Exposure {
		key := kube.RefOf(object).String()
		if op.needs(work, key) {
			if err := op.apply(ctx, work, object); err != nil {
				return err
			}
		}
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
		return nil
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
	_, err := op.fleet.client.kube.Apply(ctx, adjusted)
	return err
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
	return slices.Contains(work.drift.apply, key) || work.observed.entry(key).Desired != work.desired.digests[key]
}

// begin writes the journal before anything else of the store changes.
func (op *operation) begin(ctx context.Context, work *storeWork) error {
	record := work.observed.record
	if record == nil {
		record = &ledger.Record{Adopted: work.adopts != nil}
		if work.adopts != nil {
			for _, ref := range work.adopts.Keeps {
				record.Kept = append(record.Kept, ref.String())
			}
		}
	}
	next := *record
	if next.Key == nil {
		next.Key = make([]byte, 32)
		if _, err := rand.Read(next.Key); err != nil {
			return fmt.Errorf("generate a key: %w", err)
		}
	}
	next.Spec = work.desired.spec
	next.Operation = op.journal(ledger.PhaseGuardrails)
	return op.save(ctx, work, &next)
}

func (op *operation) journal(phase string) ledger.Operation {
	return ledger.Operation{
		Action: string(op.action), Phase: phase, Holder: holder(), Fence: op.lease.Fence, Started: op.started.UTC(), Decisions: op.decisions,
	}
}

func (op *operation) save(ctx context.Context, work *storeWork, record *ledger.Record) error {
	secret, err := record.Secret(op.fleet.name, work.desired.spec.Name)
	if err != nil {
		return err
	}
	secret.SetResourceVersion(work.version) // a holder that has lost its lock without knowing must not write over the next one's journal
	saved, err := op.fleet.client.kube.Apply(ctx, secret)
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%w: %w", ErrLockLost, err)
	}
	if err != nil {
		return err
	}
	work.observed.record, work.version = record, saved.GetResourceVersion()
	return nil
}

// recordFailure notes why and where the operation ended.
func (op *operation) recordFailure(ctx context.Context, work *storeWork, cause error) error {
	if work.observed.record == nil {
		return nil // nothing was begun
	}
	failed := *work.observed.record
	failed.Operation = op.journal(op.phase)
	failed.Operation.Error = cause.Error()
	return op.save(ctx, work, &failed)
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
		if err := op.fleet.applySecret(ctx, secret, work.action == Create && work.adopts == nil); err != nil {
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

// release brings the Helm release to the desired revision, or repairs single objects of it when only they differ.
func (op *operation) release(ctx context.Context, work *storeWork) error {
	d, o, helm := work.desired, work.observed, op.fleet.client.helm
	if len(d.hooks) > 0 {
		op.warn("hooks of chart %s are not run: %v", d.release.Chart, d.hooks)
	}
	current := o.release
	if current == nil && (work.action == Resume || o.record.Adopted) {
		var err error
		if current, err = helm.Status(ctx, d.request.Namespace, d.request.Name); err != nil && !errors.Is(err, release.ErrNotFound) {
			return err
		}
	}
	switch {
	case current == nil:
		_, err := helm.Install(ctx, d.request)
		return err
	case current.Pending():
		op.decide("release revision %d was left %s by an interrupted run: it is marked failed and upgraded", current.Revision, current.Status)
		if err := helm.Unlock(ctx, d.request.Namespace, d.request.Name, "interrupted; unlocked by storeplatform"); err != nil {
			return err
		}
	case current.Status == "deployed" && o.record.Release.Digest == d.release.Digest && work.action != Resume && !work.drift.released:
		// What the record says of the release is true only when the operation that wrote it went to its end.
		return op.repairChart(ctx, work)
	}
	if o.record.Adopted && o.record.Release.Revision == 0 { // no operation on the adopted namespace has finished yet
		if err := op.keepRelease(ctx, work); err != nil {
			return err
		}
	}
	request := d.request
	request.Adjust = func(object *unstructured.Unstructured) error {
		if work.observed.keeps(object.GetKind() + "/" + object.GetName()) {
			keep(object)
		}
		return op.leaveIgnored(ctx, work, object)
	}
	_, err := helm.Upgrade(ctx, request)
	if err != nil {
		return err
	}
	return op.repairChart(ctx, work)
}

// keepRelease makes what an adopted release holds outlive its upgrade, where the store has no such object.
func (op *operation) keepRelease(ctx context.Context, work *storeWork) error {
	objects, err := op.fleet.client.helm.Objects(ctx, work.desired.request.Namespace, work.desired.request.Name)
	if err != nil {
		return err
	}
	for _, object := range objects {
		ref := kube.RefOf(object)
		if work.desired.charted[ref.String()] {
			continue
		}
		mark := map[string]any{"metadata": map[string]any{"annotations": map[string]any{release.KeepAnnotation: release.KeepPolicy}}}
		if err := op.fleet.client.kube.Patch(ctx, ref, mark); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// keep makes Helm leave an object behind.
func keep(object *unstructured.Unstructured) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[release.KeepAnnotation] = release.KeepPolicy
	object.SetAnnotations(annotations)
}

// repairChart applies the objects of the chart that still differ, one by one: a repair makes no revision.
func (op *operation) repairChart(ctx context.Context, work *storeWork) error {
	if work.drift == nil {
		return nil
	}
	for _, key := range work.drift.apply {
		if !work.desired.charted[key] {
			continue
		}
		object, err := work.desired.object(key)
		if err != nil {
			return err
		}
		if err := op.apply(ctx, work, object); err != nil {
			return err
		}
	}
	for key, undo := range work.drift.remove {
		if work.desired.charted[key] {
			if err := op.remove(ctx, undo); err != nil {
				return err
			}
		}
	}
	return nil
}

// errNotReady is the reason of a wait that ran out.
var errNotReady = errors.New("did not become ready")

// awaitReady waits until every workload of the store is ready, and tells what it waits for.
func (op *operation) awaitReady(ctx context.Context, d *desired) error {
	before := op.fleet.client.kube.Requests()
	defer func() {
		op.mu.Lock()
		defer op.mu.Unlock()
		op.result.Waiting += op.fleet.client.kube.Requests() - before
	}()
	r := &readiness{op: op, desired: d, patience: explain.Patience{Started: op.started}, reported: make(map[string]bool)}
	err := op.fleet.client.kube.AwaitWorkloads(ctx, d.spec.Namespace(), func(w kube.Workloads) (bool, error) { return r.judge(ctx, w) })
	if err == nil {
		return nil
	}
	failed := &StepError{Target: op.target, Phase: ledger.PhaseReady, Causes: r.diagnosis(ctx, err), Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		failed.Err = fmt.Errorf("%w in %s", errNotReady, time.Since(op.started).Round(time.Second))
	}
	return failed
}

// waiting lists the workloads of the store that are not ready or not there.
func (op *operation) waiting(w kube.Workloads, d *desired) ([]spec.Cause, error) {
	live := make(map[string]runtime.Object)
	for _, o := range w.Deployments {
		live["Deployment/"+o.Name] = o
	}
	for _, o := range w.StatefulSets {
		live["StatefulSet/"+o.Name] = o
	}
	for _, o := range w.Jobs {
		live["Job/"+o.Name] = o
	}
	var out []spec.Cause
	for key := range d.charted {
		kind, name, _ := strings.Cut(key, "/")
		if !kube.Awaited(kind) {
			continue
		}
		cause := spec.Cause{Code: "not-ready", Object: spec.ObjectRef{Kind: kind, Namespace: d.spec.Namespace(), Name: name}, Message: "is not there yet"}
		if object, ok := live[key]; ok {
			message, err := kube.Waiting(object)
			if err != nil {
				return nil, err
			}
			if message == "" {
				continue
			}
			cause.Message = message
		}
		out = append(out, cause)
	}
	slices.SortFunc(out, func(a, b spec.Cause) int { return strings.Compare(a.Object.String(), b.Object.String()) })
	return out, nil
}

// finish reads the store back and records it as done. An object that somebody changed meanwhile is recorded without its live
// digest: the next preview looks at it closely.
func (op *operation) finish(ctx context.Context, work *storeWork) error {
	d := work.desired
	kinds := make(map[schema.GroupVersionKind]bool)
	for key := range d.digests {
		object, err := d.object(key)
		if err != nil {
			return err
		}
		kinds[object.GroupVersionKind()] = true
	}
	after, err := op.fleet.observe(ctx, d.spec.Name, slices.Collect(maps.Keys(kinds))...)
	if err != nil {
		return err
	}
	done := ledger.Record{
		Spec: d.spec, Release: d.release, Operation: op.journal(ledger.PhaseDone), Objects: make(map[string]ledger.Entry),
		Adopted: work.observed.record.Adopted, Kept: work.observed.record.Kept, Environment: &work.environment,
		Key: work.observed.record.Key, Given: maps.Clone(work.observed.record.Given),
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
		if item, present := after.items[key]; present && !item.Foreign {
			entry.Live = item.Digest
		} else if present {
			entry.Live = op.verified(ctx, d, key, item)
		}
		done.Objects[key] = entry
	}
	if err := op.save(ctx, work, &done); err != nil {
		return err
	}
	after.record = &done
	work.after = after
	return nil
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

// holder names this process for people who read a journal.
func holder() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s/%d", name, host, os.Getpid())
}
