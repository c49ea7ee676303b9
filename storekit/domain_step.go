package storekit

import (
	"context"
	"fmt"
	"net/netip"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/dns"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const domainHolder = "domain"

// Domain returns the domain of that host, or [ErrNotFound]. What the DNS says of it never is an error.
func (f *Fleet) Domain(ctx context.Context, host string) (*DomainState, error) {
	host = spec.NormalHost(host)
	notFound := fmt.Errorf("domain %s of fleet %q: %w", host, f.name, ErrNotFound)
	claim, err := f.client.ledger.Host(ctx, host)
	if err != nil {
		return nil, err
	}
	if claim == nil || claim.Fleet != f.name || claim.Holder != domainHolder {
		return nil, notFound
	}
	d := spec.Domain{Store: claim.Store, Host: host}
	env, err := f.client.environment(ctx)
	if err != nil {
		return nil, err
	}
	_, err = f.client.kube.Get(ctx, kube.RefOf(blueprint.ForDomain(f.name, d, spec.Store{Name: d.Store, Engine: spec.WooCommerce{}}, env.Environment)))
	switch {
	case apierrors.IsNotFound(err):
		return nil, notFound
	case err != nil:
		return nil, err
	}
	return f.domainState(ctx, d, env), nil
}

// domainState asks the DNS.
func (f *Fleet) domainState(ctx context.Context, d spec.Domain, env *environment) *DomainState {
	ingress := blueprint.ForDomain(f.name, d, spec.Store{Name: d.Store, Engine: spec.WooCommerce{}}, env.Environment)
	state := &DomainState{Domain: d, Namespace: spec.NamespaceOf(d.Store), Ingress: ingress.GetName(), URL: "https://" + d.Host}
	for _, address := range env.addresses {
		state.Addresses = append(state.Addresses, address.String())
	}
	report := f.client.dns.Check(ctx, d.Host, dns.Target{Addresses: append([]netip.Addr(nil), env.addresses...)})
	state.Records, state.Verified = report.Records, report.OK
	for _, finding := range report.Findings {
		state.Findings = append(state.Findings, finding.Message)
	}
	return state
}

// domainStep decides about a domain of a program.
func (f *Fleet) domainStep(ctx context.Context, domain *Domain, p *Program) (*Step, error) {
	d := spec.Domain{Store: domain.Spec.Store, Host: spec.NormalHost(domain.Spec.Host)}
	step := &Step{Target: DomainTarget(d.Host)}
	env, err := f.client.environment(ctx)
	if err != nil {
		return nil, err
	}
	claim, err := f.client.ledger.Host(ctx, d.Host)
	if err != nil {
		return nil, err
	}
	want := f.claim(d.Store, d.Host, domainHolder)
	if claim != nil && *claim != want {
		if err := f.claimedBy(ctx, claim); err != nil {
			return nil, err
		}
		claim = nil
	}
	store, err := f.storeOf(ctx, d.Store, p)
	if err != nil {
		return nil, err
	}
	object := blueprint.ForDomain(f.name, d, store, env.Environment)
	if object == nil {
		return nil, fmt.Errorf("domain %s: the chart of store %q names no Service that answers for hosts. Set its service first", d.Host, d.Store)
	}
	live, err := f.client.kube.Get(ctx, kube.RefOf(object))
	switch {
	case apierrors.IsNotFound(err):
		step.Action, step.Why = Create, []string{"there is no domain of that name"}
	case err != nil:
		return nil, err
	default:
		found := newDrift()
		changes, err := f.setFields(ctx, found, object, live)
		if err != nil {
			return nil, err
		}
		step.Action, step.Changes = None, changes
		switch refused := found.refused[kube.RefOf(object).String()]; {
		case len(changes) == 0:
		case refused != nil:
			found.warn(fmt.Sprintf("the Ingress of domain %s is not what it should be, and the API server refuses to make it that: %v", d.Host, refused))
		default:
			step.Action, step.Why = Repair, []string{"drift"}
		}
		step.warnings = found.warnings
	}
	if claim == nil && step.Action == None {
		step.Action, step.Why = Repair, []string{"the host is not claimed"}
	}
	if step.Action == None {
		return step, nil
	}
	step.run = func(ctx context.Context, op *operation) error {
		op.enter("ownership")
		if err := f.client.ledger.ClaimHost(ctx, want, op.waitForHolder); err != nil {
			return hostError(err)
		}
		op.enter(ledger.PhaseExpose)
		o, err := f.observe(ctx, d.Store)
		if err != nil {
			return err
		}
		if !o.ours || !o.record.Complete() {
			return fmt.Errorf("store %q is %w: a domain would expose its installer. Apply the store first", d.Store, ErrNotInstalled)
		}
		if _, err := f.client.kube.Apply(ctx, blueprint.ForDomain(f.name, d, o.record.Spec, env.Environment)); err != nil {
			return err
		}
		f.touched(d.Store)
		state := f.domainState(ctx, d, env)
		domain.Records.set(state.Records)
		op.mu.Lock()
		defer op.mu.Unlock()
		op.result.Domains[d.Host] = state
		return nil
	}
	return step, nil
}

// claimedBy is the error about a host that another store has; nil when that store is gone, as far as this account may know.
func (f *Fleet) claimedBy(ctx context.Context, claim *ledger.Claim) error {
	lives, err := f.client.ledger.Lives(ctx, *claim)
	switch {
	case err == nil && !lives:
		return nil
	case err != nil && !apierrors.IsForbidden(err):
		return err
	}
	return &HostClaimedError{Host: claim.Host, Fleet: claim.Fleet, Store: claim.Store, Holder: claim.Holder}
}

// CheckHost asks whether a store, or a domain of it, can have a host: a [*HostClaimedError] when another store has it. What the store
// itself has of it, it may give up. An account that must not read claims learns of them at the apply, and so does one that comes while
// the other store is about to be made: who is at work on it is asked for a sign of life, which takes time.
func (f *Fleet) CheckHost(ctx context.Context, d spec.Domain) error {
	claim, err := f.client.ledger.Host(ctx, spec.NormalHost(d.Host))
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return err
	case claim != nil && (claim.Fleet != f.name || claim.Store != d.Store):
		return f.claimedBy(ctx, claim)
	}
	return nil
}

// storeOf returns the store that a domain belongs to: of the program, else of the fleet.
func (f *Fleet) storeOf(ctx context.Context, name string, p *Program) (spec.Store, error) {
	for _, store := range p.stores {
		if store.Spec.Name == name {
			return store.Spec.WithDefaults(), nil
		}
	}
	o, err := f.look(ctx, name)
	switch {
	case err != nil:
		return spec.Store{}, err
	case o.namespace == nil:
		return spec.Store{}, fmt.Errorf("store %q of fleet %q: %w", name, f.name, ErrNotFound)
	case !o.ours:
		return spec.Store{}, f.notOwned(name, o.namespace)
	case o.record == nil:
		return spec.Store{}, fmt.Errorf("store %q is %w: apply the store first", name, ErrNotInstalled)
	}
	return o.record.Spec, nil
}

// deleteDomainStep decides about a domain that is to go.
func (f *Fleet) deleteDomainStep(ctx context.Context, host string) (*Step, error) {
	step := &Step{Target: DomainTarget(host), Action: None}
	claim, err := f.client.ledger.Host(ctx, host)
	if err != nil || claim == nil {
		return step, err
	}
	if claim.Fleet != f.name || claim.Holder != domainHolder {
		return nil, fmt.Errorf("domain %s: %w", host, ErrNotOwned)
	}
	env, err := f.client.environment(ctx)
	if err != nil {
		return nil, err
	}
	d := spec.Domain{Store: claim.Store, Host: host}
	step.Action = Delete
	step.run = func(ctx context.Context, op *operation) error {
		op.enter(ledger.PhaseDelete)
		object := blueprint.ForDomain(f.name, d, spec.Store{Name: d.Store, Engine: spec.WooCommerce{}}, env.Environment)
		if err := f.client.kube.Delete(ctx, kube.RefOf(object), ""); err != nil {
			return err
		}
		f.touched(d.Store)
		return f.client.ledger.ReleaseHost(ctx, *claim)
	}
	return step, nil
}
