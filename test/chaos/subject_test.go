package chaos

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// verb is an operation on a store.
type verb string

const (
	create verb = "create"
	update verb = "update"
	remove verb = "delete"
)

// stepTimeout bounds an operation that nobody disturbs, on a machine that has other things to do.
const stepTimeout = 3 * time.Minute

// subject is a store with a fleet of its own.
type subject struct {
	Fleet  string
	Engine spec.EngineKind
}

func (s subject) name() string { return s.Fleet + "-s" }

// made is the store as it is created.
func (s subject) made() spec.Store {
	store := spec.Store{
		Name: s.name(), Owner: "team", Host: s.name() + ".example.test", AllowDeletion: true, Retention: spec.DeleteData,
		Engine: spec.Medusa{Image: "registry.example.com/acme/medusa:2.21.2", AdminEmail: "shop@acme.example", Worker: true},
	}
	if s.Engine == spec.KindWooCommerce {
		smtp := &spec.SMTP{Host: "mail.example.test", From: "shop@acme.example", Password: "given"}
		store.Engine = spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example", SMTP: smtp}
	}
	return store
}

// changed is the store after its update. It differs in everything that takes a write: labels, quota, policies, a Secret or
// workloads that come and go, the release, the ingress and the claimed host.
func (s subject) changed() spec.Store {
	store := s.made()
	store.Owner, store.Plan, store.Egress, store.Host = "other", spec.Premium, spec.EgressNone, "new-"+store.Host
	store.Engine = spec.Medusa{Image: "registry.example.com/acme/medusa:2.21.3", AdminEmail: "shop@acme.example", Cache: true}
	if s.Engine == spec.KindWooCommerce {
		store.Engine = spec.WooCommerce{Title: "Beta", AdminEmail: "shop@acme.example"}
	}
	return store
}

// wanted is the store that an operation is to lead to; one that is deleted is wanted as it was.
func (s subject) wanted(v verb) spec.Store {
	if v == create {
		return s.made()
	}
	return s.changed()
}

func program(store spec.Store) *storekit.Program {
	p := new(storekit.Program)
	p.AddStore(store)
	return p
}

// connect makes a new client of the fleet, as a new process has it.
func (s subject) connect(config *rest.Config, options ...storekit.ClientOption) (*storekit.Fleet, error) {
	client, err := storekit.Connect(config, options...)
	if err != nil {
		return nil, err
	}
	return client.Fleet(s.Fleet), nil
}

func unhurried(onEvent func(storekit.Event)) []storekit.RunOption {
	return []storekit.RunOption{storekit.Timeout(stepTimeout), storekit.OnEvent(onEvent)}
}

// operate does what a user does: preview and apply, or destroy.
func (s subject) operate(ctx context.Context, config *rest.Config, v verb, onEvent func(storekit.Event), more ...storekit.RunOption) error {
	fleet, err := s.connect(config)
	if err != nil {
		return err
	}
	options := append(unhurried(onEvent), more...)
	if v == remove {
		_, err = fleet.Destroy(ctx, append(options, storekit.Only(storekit.StoreTarget(s.name())))...)
		return err
	}
	preview, err := fleet.Preview(ctx, program(s.wanted(v)))
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	_, err = fleet.Up(ctx, preview, options...)
	return err
}
