package storekit

import "github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"

// Program collects what a fleet should consist of. The zero value is an empty program. Order does not matter; mistakes
// surface together in [Fleet.Preview].
type Program struct {
	plans   []spec.Plan
	stores  []*Store
	domains []*Domain
}

// Store is a store of a program. Its outputs become known when [Fleet.Up] has made it.
type Store struct {
	Spec      spec.Store
	URL       Output[string] // https address of the shop; never known for a store without a host
	AdminUser Output[string] // name of the administrator; the password is in the Secret "admin" of the store's namespace

	// Incarnation is an id that tells this creation of the store from every earlier one, for callers that keep track of stores by
	// themselves. A store that is there already takes it on. When it is empty the store keeps the one that it has.
	Incarnation string
}

// know fills the outputs of a store that exists as specified.
func (s *Store) know(made spec.Store) {
	if made.Host != "" {
		s.URL.set("https://" + made.Host)
	}
	switch engine := made.Engine.(type) {
	case spec.WooCommerce:
		s.AdminUser.set(engine.AdminUser)
	case spec.Medusa:
		s.AdminUser.set(engine.AdminEmail)
	}
}

// Domain is a domain of a program.
type Domain struct {
	Spec    spec.Domain
	Records Output[[]spec.Record] // DNS records it needs, with what was found
}

// AddPlan records a plan in the cluster, where other programs and people find it. Stores name a plan by [spec.Plan.Ref]
// and do not depend on the record.
func (p *Program) AddPlan(plan spec.Plan) spec.PlanRef {
	plan = plan.WithDefaults()
	p.plans = append(p.plans, plan)
	return plan.Ref()
}

// AddStore adds a store.
func (p *Program) AddStore(s spec.Store) *Store {
	store := &Store{Spec: s}
	p.stores = append(p.stores, store)
	return store
}

// AddDomain binds a host to a store of this program or of the fleet.
func (p *Program) AddDomain(d spec.Domain) *Domain {
	domain := &Domain{Spec: d}
	p.domains = append(p.domains, domain)
	return domain
}

// Output is a value that may become known only when a program is applied.
type Output[T any] struct {
	value T
	known bool
}

// Known returns the value and whether it is known.
func (o Output[T]) Known() (T, bool) { return o.value, o.known }

func (o *Output[T]) set(v T) { o.value, o.known = v, true }
