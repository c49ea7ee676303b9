package storekit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Fleet is a set of stores that belong together: what carries its label, nothing else.
type Fleet struct {
	client *Client
	name   string
}

// Preview reads the cluster and decides what an Up of the program would do. It never writes. Stores of the fleet that the
// program does not have are deleted by Up, unless [NoPrune] is given.
func (f *Fleet) Preview(ctx context.Context, p *Program, opts ...RunOption) (*Preview, error) {
	o := newRunOptions(opts)
	if err := p.validate(f.name); err != nil {
		return nil, err
	}
	preview := &Preview{Fleet: f.name, fleet: f}
	var decide []func() (*Step, error)
	for _, plan := range p.plans {
		if o.selects(PlanTarget(plan.Name)) {
			decide = append(decide, func() (*Step, error) { return f.planStep(ctx, plan) })
		}
	}
	for _, store := range p.stores {
		if o.selects(StoreTarget(store.Spec.Name)) {
			decide = append(decide, func() (*Step, error) { return f.storeStep(ctx, store) })
		}
	}
	for _, domain := range p.domains {
		if o.selects(DomainTarget(domain.Spec.Host)) {
			decide = append(decide, func() (*Step, error) { return f.domainStep(ctx, domain, p) })
		}
	}
	if !o.noPrune {
		doomed, err := f.pruned(ctx, p, o)
		if err != nil {
			return nil, err
		}
		for _, name := range doomed {
			decide = append(decide, func() (*Step, error) { return f.deleteStep(ctx, name, o) })
		}
	}
	steps := make([]*Step, len(decide))
	errs := make([]error, len(decide))
	var group errgroup.Group
	group.SetLimit(o.parallel)
	for i, one := range decide {
		group.Go(func() error {
			steps[i], errs[i] = one()
			return nil
		})
	}
	if err := errors.Join(group.Wait(), errors.Join(errs...)); err != nil {
		return nil, err
	}
	for _, step := range steps {
		preview.Steps = append(preview.Steps, *step)
		preview.Warnings = append(preview.Warnings, step.warnings...)
	}
	slices.Sort(preview.Warnings)
	preview.Warnings = slices.Compact(preview.Warnings)
	return preview, nil
}

// pruned names the stores of the fleet that a program does not have.
func (f *Fleet) pruned(ctx context.Context, p *Program, o *runOptions) ([]string, error) {
	keep := make(map[string]bool)
	for _, store := range p.stores {
		keep[store.Spec.Name] = true
	}
	names, err := f.storeNames(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return keep[name] || !o.selects(StoreTarget(name)) })
	if len(names) > o.maxDeletes {
		return nil, fmt.Errorf("%w: %d stores are not in the program (%s), at most %d may go: raise MaxDeletes if that is meant",
			ErrTooManyDeletes, len(names), strings.Join(names, ", "), o.maxDeletes)
	}
	return names, nil
}

// Up does what the preview says and waits until every store is ready. After an error the result tells how far it got; the
// next Up resumes.
func (f *Fleet) Up(ctx context.Context, preview *Preview, opts ...RunOption) (*Result, error) {
	o := newRunOptions(opts)
	result := newResult()
	before := f.client.kube.Requests()
	var mu sync.Mutex
	var errs []error
	run := func(step Step) error { return f.newOperation(step, o, &mu, result).run(ctx, step, o.timeout) }
	// Domains need their stores, and what goes, goes last.
	for _, stage := range []func(Step) bool{
		func(s Step) bool { return s.Action != Delete && s.Target.Kind != TargetDomain },
		func(s Step) bool { return s.Action != Delete && s.Target.Kind == TargetDomain },
		func(s Step) bool { return s.Action == Delete && s.Target.Kind == TargetDomain },
		func(s Step) bool { return s.Action == Delete && s.Target.Kind != TargetDomain },
	} {
		var group errgroup.Group
		group.SetLimit(o.parallel)
		for _, step := range preview.Steps {
			if step.run == nil || !stage(step) {
				continue
			}
			group.Go(func() error {
				if err := run(step); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			errs = append(errs, err)
		}
		if len(errs) > 0 {
			break
		}
	}
	result.Requests = f.client.kube.Requests() - before
	return result, errors.Join(errs...)
}

func (f *Fleet) newOperation(step Step, o *runOptions, mu *sync.Mutex, result *Result) *operation {
	return &operation{fleet: f, target: step.Target, action: step.Action, emit: o.onEvent, started: time.Now(), mu: mu, result: result}
}

// run runs one step within its time and says so.
func (op *operation) run(ctx context.Context, step Step, timeout time.Duration) error {
	op.emit(StepStarted{Target: op.target, Action: op.action})
	err := op.locked(ctx, step, op.started.Add(timeout))
	if err != nil {
		var already *StepError
		if !errors.As(err, &already) {
			err = &StepError{Target: op.target, Phase: op.phase, Err: err}
		}
	}
	op.emit(StepDone{Target: op.target, Action: op.action, Elapsed: time.Since(op.started), Err: err})
	return err
}

// Refresh compares every store of the fleet with its record.
func (f *Fleet) Refresh(ctx context.Context, opts ...RunOption) (*Drift, error) {
	o := newRunOptions(opts)
	f.Forget()
	out := &Drift{Stores: make(map[string][]spec.Change)}
	for state, err := range f.All(ctx) {
		if err != nil {
			return nil, err
		}
		if o.selects(StoreTarget(state.Spec.Name)) && len(state.Drift) > 0 {
			out.Stores[state.Spec.Name] = state.Drift
		}
	}
	return out, nil
}

// Destroy deletes the stores of the fleet, with their domains and then the plans that nobody uses; or only those given by
// [Only]. A protected store fails it before anything is touched.
func (f *Fleet) Destroy(ctx context.Context, opts ...RunOption) (*Result, error) {
	o := newRunOptions(opts)
	preview := &Preview{Fleet: f.name, fleet: f}
	targets := slices.SortedFunc(maps.Keys(o.only), func(a, b Target) int { return strings.Compare(a.String(), b.String()) })
	if o.only == nil {
		names, err := f.storeNames(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			targets = append(targets, StoreTarget(name))
		}
	}
	var errs []error
	for _, target := range targets {
		step, err := f.destroyStep(ctx, target, o)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		step.Why = []string{"destroy"}
		preview.Steps = append(preview.Steps, *step)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	result, err := f.Up(ctx, preview, opts...)
	if err != nil || o.only != nil {
		return result, err
	}
	plans, err := f.client.ledger.Plans(ctx, f.name)
	if err != nil {
		return result, err
	}
	for _, plan := range plans {
		if err := f.client.ledger.DeletePlan(ctx, f.name, plan.Name); err != nil {
			return result, err
		}
	}
	return result, nil
}

func (f *Fleet) destroyStep(ctx context.Context, target Target, o *runOptions) (*Step, error) {
	switch target.Kind {
	case TargetPlan:
		return f.deletePlanStep(ctx, target.Name)
	case TargetDomain:
		return f.deleteDomainStep(ctx, target.Name)
	default:
		return f.deleteStep(ctx, target.Name, o)
	}
}

// All returns every store of the fleet, in no particular order. Each is read when the consumer takes it; one that goes meanwhile
// is left out.
func (f *Fleet) All(ctx context.Context) iter.Seq2[*State, error] {
	return func(yield func(*State, error) bool) {
		for name, err := range f.Names(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			state, err := f.Get(ctx, name)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if !yield(state, err) {
				return
			}
		}
	}
}

// validate reports every mistake of a program at once.
func (p *Program) validate(fleet string) error {
	var errs []error
	if len(validation.IsDNS1123Label(fleet)) > 0 {
		errs = append(errs, spec.FieldErrors{{Path: "fleet", Value: fleet, Allowed: "must be a DNS label"}})
	}
	seen := make(map[Target]bool)
	check := func(target Target, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", target, err))
		}
		if seen[target] {
			errs = append(errs, fmt.Errorf("%s is in the program twice", target))
		}
		seen[target] = true
	}
	for _, plan := range p.plans {
		check(PlanTarget(plan.Name), plan.Validate())
	}
	for _, store := range p.stores {
		check(StoreTarget(store.Spec.Name), store.Spec.Validate())
	}
	for _, domain := range p.domains {
		check(DomainTarget(domain.Spec.Host), domain.Spec.Validate())
	}
	return errors.Join(errs...)
}

// storeNames lists the stores of the fleet, sorted.
func (f *Fleet) storeNames(ctx context.Context) ([]string, error) {
	var names []string
	for name, err := range f.Names(ctx) {
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
