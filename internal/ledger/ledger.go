package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// ErrClaimed is a host that belongs to somebody else.
var ErrClaimed = errors.New("host is claimed")

// Ledger keeps the records of the system namespace.
type Ledger struct {
	cluster *kube.Cluster

	mu    sync.Mutex
	ready bool // the namespace exists
}

// New makes a ledger. It does not dial.
func New(cluster *kube.Cluster) *Ledger { return &Ledger{cluster: cluster} }

// Claim is who a host belongs to.
type Claim struct {
	Host   string
	Fleet  string
	Store  string
	Holder string // what of the store holds it: "store" or "domain"
}

// ClaimHost takes a host for a store. The name of the record is made from the host, so of two that try at once the API server
// lets one pass; the other gets [ErrClaimed]. A claim of a store that is no more counts for nothing. waiting is called before it
// waits for a sign of life of somebody who may be about to make the store that has the host.
func (l *Ledger) ClaimHost(ctx context.Context, claim Claim, waiting func(*LockedError)) error {
	object := claim.configMap()
	err := l.create(ctx, object)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, uid, err := l.host(ctx, claim.Host)
	switch {
	case err != nil:
		return err
	case existing == nil:
		return fmt.Errorf("claim host %s: it was released while it was claimed: apply again", claim.Host)
	case *existing == claim:
		return nil
	}
	needed, err := l.needed(ctx, *existing, waiting)
	switch {
	case err != nil:
		return err
	case needed:
		return fmt.Errorf("%w: %s belongs to store %q of fleet %q (%s)", ErrClaimed, claim.Host, existing.Store, existing.Fleet, existing.Holder)
	}
	if err := l.cluster.Delete(ctx, kube.RefOf(object), uid); err != nil {
		return err
	}
	return l.create(ctx, object)
}

// needed tells whether the store that a host belongs to is there, or about to be: it claims its host before it has a namespace,
// under its lock. A holder that died has the lock as well, for ever, so one without a namespace must give a sign of life.
func (l *Ledger) needed(ctx context.Context, claim Claim, waiting func(*LockedError)) (bool, error) {
	held, lives, err := l.look(ctx, claim)
	if err != nil || lives || held == nil {
		return lives, err
	}
	var changed *LockedError
	err = l.awaitDeath(ctx, held, claim.Fleet, claim.Store, waiting)
	if err != nil && !errors.As(err, &changed) {
		return false, err
	}
	held, lives, err = l.look(ctx, claim) // the namespace may have been the last that a dead holder made
	return lives || held != nil && changed != nil, err
}

// look returns the lock of a store if somebody holds it, and whether the store is there. In this order: once the lock is given back,
// the namespace of a store that was made is there.
func (l *Ledger) look(ctx context.Context, claim Claim) (held *coordinationv1.Lease, lives bool, err error) {
	lease, err := l.leases().Get(ctx, leaseName(claim.Fleet, claim.Store), metav1.GetOptions{})
	switch {
	case err == nil && holderOf(lease) != "":
		held = lease
	case err != nil && !apierrors.IsNotFound(err):
		return nil, false, err
	}
	lives, err = l.Lives(ctx, claim)
	return held, lives, err
}

// Lives tells whether the store that a host belongs to is there. One that is not may be about to be made: [Ledger.ClaimHost] finds
// out.
func (l *Ledger) Lives(ctx context.Context, claim Claim) (bool, error) {
	namespace, err := l.cluster.Get(ctx, spec.ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: spec.NamespaceOf(claim.Store)})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	labels := namespace.GetLabels()
	return labels[blueprint.LabelFleet] == claim.Fleet && labels[blueprint.LabelStore] == claim.Store, nil
}

// Host returns who a host belongs to, nil for nobody.
func (l *Ledger) Host(ctx context.Context, host string) (*Claim, error) {
	claim, _, err := l.host(ctx, host)
	return claim, err
}

// host returns the claim of a host with the UID of its record.
func (l *Ledger) host(ctx context.Context, host string) (*Claim, types.UID, error) {
	object, err := l.cluster.Get(ctx, kube.RefOf(Claim{Host: host}.configMap()))
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, "", fmt.Errorf("read claim of host %s: %w", host, err)
	}
	return &Claim{Host: data["host"], Fleet: data["fleet"], Store: data["store"], Holder: data["holder"]}, object.GetUID(), nil
}

// ReleaseHost gives up a claim; one that is somebody else's, or nobody's, stays as it is.
func (l *Ledger) ReleaseHost(ctx context.Context, claim Claim) error {
	existing, err := l.Host(ctx, claim.Host)
	if err != nil || existing == nil || *existing != claim {
		return err
	}
	return l.cluster.Delete(ctx, kube.RefOf(claim.configMap()), "")
}

func (c Claim) configMap() *unstructured.Unstructured {
	sum := sha256.Sum256([]byte(c.Host))
	object := configMap("host-"+hex.EncodeToString(sum[:20]), "host", c.Fleet, map[string]any{
		"host": c.Host, "fleet": c.Fleet, "store": c.Store, "holder": c.Holder,
	})
	if c.Store != "" {
		labels := object.GetLabels()
		labels[blueprint.LabelStore] = c.Store
		object.SetLabels(labels)
	}
	return object
}

// SavePlan records a plan.
func (l *Ledger) SavePlan(ctx context.Context, fleet string, plan spec.Plan) error {
	if err := l.ensureNamespace(ctx); err != nil {
		return err
	}
	_, err := l.cluster.Apply(ctx, planMap(fleet, plan))
	return err
}

// Plan returns a recorded plan, nil when there is none of that name.
func (l *Ledger) Plan(ctx context.Context, fleet, name string) (*spec.Plan, error) {
	object, err := l.cluster.Get(ctx, kube.RefOf(planMap(fleet, spec.Plan{Name: name})))
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readPlan(object)
}

// DeletePlan removes the record of a plan.
func (l *Ledger) DeletePlan(ctx context.Context, fleet, name string) error {
	return l.cluster.Delete(ctx, kube.RefOf(planMap(fleet, spec.Plan{Name: name})), "")
}

// Plans returns the recorded plans of a fleet.
func (l *Ledger) Plans(ctx context.Context, fleet string) ([]spec.Plan, error) {
	var plans []spec.Plan
	err := l.cluster.List(ctx, kube.Query{
		Kind:      kube.KnownKind("ConfigMap"),
		Namespace: blueprint.SystemNamespace,
		Selector:  kube.Labelled(map[string]string{blueprint.LabelFleet: fleet, blueprint.LabelRecord: "plan"}),
	}, func(object *unstructured.Unstructured) error {
		plan, err := readPlan(object)
		if err == nil {
			plans = append(plans, *plan)
		}
		return err
	})
	return plans, err
}

func planMap(fleet string, plan spec.Plan) *unstructured.Unstructured {
	return configMap("plan."+fleet+"."+plan.Name, "plan", fleet, map[string]any{"ref": string(plan.SpeltRef()), "preset": plan.Preset})
}

// readPlan decodes the record of a plan. An early one has no preset.
func readPlan(object *unstructured.Unstructured) (*spec.Plan, error) {
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", object.GetName(), err)
	}
	plan, err := spec.PlanRef(data["ref"]).Plan()
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %q %w", object.GetName(), data["ref"], err)
	}
	plan.Preset = data["preset"]
	return &plan, nil
}

func configMap(name, record, fleet string, data map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": data}}
	object.SetName(name)
	object.SetNamespace(blueprint.SystemNamespace)
	object.SetLabels(map[string]string{blueprint.LabelFleet: fleet, blueprint.LabelRecord: record})
	return object
}

func (l *Ledger) create(ctx context.Context, object *unstructured.Unstructured) error {
	if err := l.ensureNamespace(ctx); err != nil {
		return err
	}
	_, err := l.cluster.Create(ctx, object)
	return err
}

// ensureNamespace makes the system namespace once.
func (l *Ledger) ensureNamespace(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready {
		return nil
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	namespace.SetName(blueprint.SystemNamespace)
	namespace.SetLabels(map[string]string{
		"app.kubernetes.io/managed-by":       "storeplatform",
		"pod-security.kubernetes.io/enforce": "restricted",
	})
	if _, err := l.cluster.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	l.ready = true
	return nil
}
