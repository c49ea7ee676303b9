package storekit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Plan returns a plan recorded in the cluster, or [ErrNotFound].
func (f *Fleet) Plan(ctx context.Context, name string) (*PlanState, error) {
	plan, err := f.client.ledger.Plan(ctx, f.name, name)
	if err != nil {
		return nil, err
	}
	if plan == nil {
		return nil, fmt.Errorf("plan %q of fleet %q: %w", name, f.name, ErrNotFound)
	}
	stores, err := f.storesWithPlan(ctx, name)
	return &PlanState{Plan: *plan, Stores: stores}, err
}

// storesWithPlan lists the stores that carry the plan's name.
func (f *Fleet) storesWithPlan(ctx context.Context, plan string) ([]string, error) {
	q := f.namespaceQuery()
	q.Selector = kube.Labelled(map[string]string{labelFleet: f.name, blueprint.LabelPlan: plan})
	var names []string
	err := f.client.kube.List(ctx, q, func(namespace *object) error {
		names = append(names, namespace.GetLabels()[labelStore])
		return nil
	})
	slices.Sort(names)
	return names, err
}

func (f *Fleet) namespaceQuery() kube.Query {
	return kube.Query{Kind: kube.KnownKind("Namespace"), Selector: kube.Labelled(map[string]string{labelFleet: f.name})}
}

// planStep decides about the record of a plan.
func (f *Fleet) planStep(ctx context.Context, plan spec.Plan) (*Step, error) {
	step := &Step{Target: PlanTarget(plan.Name), Action: None}
	recorded, err := f.client.ledger.Plan(ctx, f.name, plan.Name)
	switch {
	case err != nil:
		return nil, err
	case recorded == nil:
		step.Action, step.Why = Create, []string{"there is no plan of that name"}
	case recorded.Ref() != plan.Ref():
		step.Action, step.Why = Update, []string{fmt.Sprintf("%s -> %s", recorded.Ref(), plan.Ref())}
	case recorded.Preset != plan.Preset:
		step.Action, step.Why = Update, []string{fmt.Sprintf("preset: %s -> %s", orNone(recorded.Preset), plan.Preset)}
	default:
		return step, nil
	}
	step.run = func(ctx context.Context, op *operation) error {
		op.phase = ledger.PhaseRecord
		if err := f.client.ledger.SavePlan(ctx, f.name, plan); err != nil {
			return err
		}
		op.mu.Lock()
		defer op.mu.Unlock()
		op.result.Plans[plan.Name] = &PlanState{Plan: plan}
		return nil
	}
	return step, nil
}

// deletePlanStep decides about a plan that is to go.
func (f *Fleet) deletePlanStep(ctx context.Context, name string) (*Step, error) {
	step := &Step{Target: PlanTarget(name), Action: None}
	recorded, err := f.client.ledger.Plan(ctx, f.name, name)
	if err != nil || recorded == nil {
		return step, err
	}
	users, err := f.planUsers(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(users) > 0 {
		return nil, fmt.Errorf("plan %q: %w: stores %s use it. Give them another plan first", name, ErrInUse, strings.Join(users, ", "))
	}
	step.Action = Delete
	step.run = func(ctx context.Context, op *operation) error {
		op.phase = ledger.PhaseRecord
		return f.client.ledger.DeletePlan(ctx, f.name, name)
	}
	return step, nil
}

// planUsers lists the stores that refer to a recorded plan. A store with the preset of that name does not.
func (f *Fleet) planUsers(ctx context.Context, plan string) ([]string, error) {
	stores, err := f.storesWithPlan(ctx, plan)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, store := range stores {
		o, err := f.observe(ctx, store)
		if err != nil {
			return nil, err
		}
		if !o.terminating() && o.record != nil && strings.Contains(string(o.record.Spec.Plan), "@") {
			users = append(users, store)
		}
	}
	return users, nil
}
