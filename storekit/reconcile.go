package storekit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// ErrStuck is an operation that did not finish in time, and that [Fleet.Reconcile] has given up.
var ErrStuck = errors.New("stuck")

const (
	// defaultRound is how often a fleet is reconciled unless told otherwise.
	defaultRound = 30 * time.Second
	// longestBackoff bounds the pause after an error, which doubles from one round up.
	longestBackoff = 10 * time.Minute
	// restRounds, up to firstRest, is the pause after an operation that failed because of what the store should be. Whoever is about
	// to repair that must not find the store locked. It doubles up to longestRest.
	restRounds  = 10
	firstRest   = 5 * time.Minute
	longestRest = time.Hour
)

// Reconcile keeps the stores of a fleet what their records say, until ctx ends: it compares them at once and then every so often
// (30 seconds when every is 0), repairs what differs, brings guardrails in line with a cluster that has changed, and finishes
// what was interrupted. It makes, upgrades and deletes no store, and changes no record of what a store should be. What it does to
// a store is told as events, and is on record ([State.Operations]).
//
// It can run beside Terraform and other programs: all of them work under the same lock, and a store on which somebody else works
// is left to them. After an error it leaves the store alone for a while, longer each time. So it does, for five minutes at first, after
// an operation that was not interrupted but failed, because the release was refused or did not become ready: an Up that repairs
// the store finds it unlocked. An operation that has not finished [StuckAfter] its begin is given up: its journal then says why, and
// the next Up goes on with it. A store that takes long holds up no other one, as long as fewer than [Parallel] do.
//
// Of the options, [Only], [Parallel], [Timeout], [StuckAfter] and those about events apply.
func (f *Fleet) Reconcile(ctx context.Context, every time.Duration, opts ...RunOption) error {
	if every <= 0 {
		every = defaultRound
	}
	rest := max(every, min(restRounds*every, firstRest))
	r := &reconciler{
		fleet: f, options: newRunOptions(opts),
		backoff: flowcontrol.NewBackOff(every, max(every, longestBackoff)), rest: flowcontrol.NewBackOff(rest, max(rest, longestRest)),
		busy: make(map[string]bool), failures: make(map[string]int),
	}
	r.group.SetLimit(r.options.parallel)
	wait.UntilWithContext(ctx, r.round, every)
	_ = r.group.Wait() // every error was told as an event
	return context.Cause(ctx)
}

type reconciler struct {
	fleet   *Fleet
	options *runOptions
	group   errgroup.Group
	backoff *flowcontrol.Backoff // after errors, by store; "" for the fleet
	rest    *flowcontrol.Backoff // after operations that failed, by store

	mu       sync.Mutex
	busy     map[string]bool // stores that are worked on
	failures map[string]int  // fence of the last operation that failed, by store
}

// round looks at every store once, but for those that an earlier round still works on, and does not wait for what it begins.
func (r *reconciler) round(ctx context.Context) {
	if r.pauses("") {
		return
	}
	r.mu.Lock()
	busy := maps.Clone(r.busy) // what is read of them may be old by the time they are done
	r.mu.Unlock()
	r.fleet.Forget()
	stores, err := r.fleet.observeAll(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.failed("")
			r.options.onEvent(Warning{Message: fmt.Sprintf("fleet %s cannot be read: %v", r.fleet.name, err)})
		}
		return
	}
	r.backoff.DeleteEntry("")
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		if ctx.Err() != nil {
			return
		}
		if busy[name] || !r.options.selects(StoreTarget(name)) || r.pauses(name) {
			continue
		}
		r.take(name)
		r.group.Go(func() error {
			defer r.leave(name)
			r.store(ctx, name, stores[name])
			return nil
		})
	}
}

func (r *reconciler) take(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[name] = true
}

func (r *reconciler) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, name)
}

func (r *reconciler) pauses(name string) bool {
	return r.backoff.IsInBackOffSinceUpdate(name, time.Now())
}

func (r *reconciler) failed(name string) { r.backoff.Next(name, time.Now()) }

// rests tells whether a store is left alone for now, whose last operation failed because of what it should be. The time is counted from
// when this was first seen, by the own clock.
func (r *reconciler) rests(name string, last ledger.Operation) bool {
	r.mu.Lock()
	seen := r.failures[name] == last.Fence
	r.failures[name] = last.Fence
	r.mu.Unlock()
	if !seen {
		r.rest.Next(name, time.Now())
		r.options.onEvent(Warning{Target: StoreTarget(name), Message: fmt.Sprintf("its last operation (%s) failed: it is tried again in %s, "+
			"if no Up repairs it before", last.Action, r.rest.Get(name))})
	}
	return r.rest.IsInBackOffSinceUpdate(name, time.Now())
}

// done forgets the failures of a store.
func (r *reconciler) done(name string) {
	r.backoff.DeleteEntry(name)
	r.rest.DeleteEntry(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failures, name)
}

// store does to one store what is to be done.
func (r *reconciler) store(ctx context.Context, name string, o *observation) {
	for _, warning := range o.warnings {
		r.options.onEvent(Warning{Target: StoreTarget(name), Message: warning})
	}
	if o.record == nil || o.terminating() || o.record.Operation.Phase == ledger.PhaseDelete {
		return // nobody knows what it should be; it goes; its deletion was interrupted, and whoever wanted it goes on
	}
	step, err := r.decide(ctx, o)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		r.failed(name)
		r.options.onEvent(Warning{Target: StoreTarget(name), Message: fmt.Sprintf("it cannot be reconciled: %v", err)})
		return
	case step == nil:
		r.done(name)
		return
	case step.Action == Resume && o.record.Operation.Failed && r.rests(name, o.record.Operation):
		return
	}
	var mu sync.Mutex
	err = r.fleet.newOperation(*step, r.options, &mu, newResult()).run(ctx, *step, r.options.timeout)
	var locked *LockedError
	switch {
	case err == nil:
		r.done(name)
	case errors.As(err, &locked), errors.Is(err, ErrPreviewStale):
		// somebody else works on it
	default:
		r.failed(name)
	}
}

// decide says what to do to a store, nil for nothing.
func (r *reconciler) decide(ctx context.Context, o *observation) (*Step, error) {
	step, err := r.fleet.storeStepFrom(ctx, &Store{Spec: o.record.Spec}, o)
	if err != nil {
		return nil, err
	}
	last := o.record.Operation
	stuck := step.Action == Resume && time.Since(last.Begun()) > r.options.stuckAfter
	switch {
	case step.Action == None, stuck && last.GivenUp:
		return nil, nil
	case step.Action == Update && step.releases:
		return nil, nil // another version of this program would upgrade it: that is for an Up
	case stuck:
		step.Action = GiveUp
		step.run = func(ctx context.Context, op *operation) error { return op.giveUp(ctx, o) }
	}
	return step, nil
}

// observeAll observes every store of the fleet, at once where the account may list all namespaces.
func (f *Fleet) observeAll(ctx context.Context) (map[string]*observation, error) {
	out := make(map[string]*observation)
	snapshot, err := f.load(ctx, "", nil)
	if forbidden(err) {
		names, err := f.storeNames(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if out[name], err = f.observe(ctx, name); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range snapshot.Namespaces() {
		items := snapshot.Items(name)
		i := slices.IndexFunc(items, func(item kube.Item) bool { return item.Ref.Kind == "Namespace" })
		if i < 0 {
			continue
		}
		namespace, ok := items[i].Kept.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		store := namespace.GetLabels()[labelStore]
		if store == "" || namespace.GetName() != spec.NamespaceOf(store) || !f.owns(namespace, store) {
			continue
		}
		if out[store], err = f.observed(namespace, items); err != nil { // of this store alone: its record cannot be read
			out[store] = &observation{namespace: namespace, ours: true, warnings: []string{err.Error()}}
		}
	}
	return out, nil
}

// giveUp records that an operation is stuck, and why.
func (op *operation) giveUp(ctx context.Context, o *observation) error {
	last := o.record.Operation
	op.fleet.touched(op.target.Name)
	version, err := op.unchanged(ctx, op.target.Name, o)
	if err != nil {
		return err
	}
	work := &storeWork{desired: &desired{spec: o.record.Spec}, observed: o, version: version}
	stuck := &StepError{
		Target: op.target, Phase: last.Phase, Causes: op.standing(ctx, o),
		Err: fmt.Errorf("%w: not finished since %s", ErrStuck, last.Begun().UTC().Format(time.RFC3339)),
	}
	if said, _, _ := strings.Cut(last.Error, "\n"); said != "" {
		stuck.Err = fmt.Errorf("%w; the last attempt said: %s", stuck.Err, said)
	}
	record := *o.record
	record.Past = record.History()
	record.Operation = op.journal(last.Phase, last)
	record.Operation.Error, record.Operation.GivenUp = stuck.Error(), true
	if err := op.save(ctx, work, &record); err != nil {
		return err
	}
	return stuck
}

// standing says why the workloads of a store are not ready as they stand. It is a courtesy: nothing when that cannot be seen.
func (op *operation) standing(ctx context.Context, o *observation) []spec.Cause {
	r := &readiness{op: op, desired: &desired{spec: o.record.Spec, charted: make(map[string]bool)}, reported: make(map[string]bool)}
	for key, item := range o.items {
		r.desired.charted[key] = item.Waiting != ""
	}
	within, cancel := context.WithTimeout(ctx, diagnosisTime)
	defer cancel()
	err := op.fleet.client.kube.AwaitWorkloads(within, o.namespace.GetName(), func(w kube.Workloads) (bool, error) {
		r.seen = w
		return true, nil
	})
	if err != nil {
		return nil
	}
	return r.diagnosis(ctx, errHopeless)
}
