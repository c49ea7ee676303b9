package storekit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// deleteStore removes a store: volumes by policy, then the release, then the namespace, which must still be the same one.
func (op *operation) deleteStore(ctx context.Context, name string, o *observation) error {
	f := op.fleet
	f.touched(name)
	o, err := op.remains(ctx, name, o)
	if err != nil {
		return err
	}
	if o == nil {
		return op.dropLock(ctx)
	}
	op.enter(ledger.PhaseDelete)
	if err := op.beginDeletion(ctx, name, o); err != nil {
		return err
	}
	if o.retains() {
		if err := op.retainVolumes(ctx, o); err != nil {
			return err
		}
	}
	if err := op.uninstallAll(ctx, o); err != nil {
		return err
	}
	// From here on a namespace that goes says everything there is to say: nothing of the store may be left elsewhere, whenever this
	// process dies.
	if host := recordedHost(o); host != "" {
		if err := f.client.ledger.ReleaseHost(ctx, f.claim(name, host, "store")); err != nil {
			return err
		}
	}
	if o.record != nil && o.record.Adopted {
		if err := op.disown(ctx, name, o); err != nil {
			return err
		}
		return op.dropLock(ctx)
	}
	if err := op.dropLock(ctx); err != nil {
		return err
	}
	if err := f.client.kube.Delete(ctx, refNamespace(o.namespace.GetName()), o.namespace.GetUID()); err != nil {
		return err
	}
	return op.awaitGone(ctx, o.namespace)
}

// beginDeletion writes the journal before anything goes, so that nobody takes a store that is half gone for a damaged one. A store
// that was adopted may live on as a namespace, and one without a record has no journal.
func (op *operation) beginDeletion(ctx context.Context, name string, o *observation) error {
	if o.record == nil || o.terminating() {
		return nil
	}
	version, err := op.unchanged(ctx, name, o)
	if err != nil {
		return err
	}
	next := *o.record
	next.Past, next.Operation = o.record.History(), op.journal(ledger.PhaseDelete, o.record.Operation)
	own := *o
	return op.save(ctx, &storeWork{desired: &desired{spec: o.record.Spec}, observed: &own, version: version}, &next)
}

// uninstallAll removes the release. Helm cannot remove one with objects of a kind that the cluster no longer serves; everything of
// such a release goes with its namespace.
func (op *operation) uninstallAll(ctx context.Context, o *observation) error {
	err := op.fleet.client.helm.Uninstall(ctx, o.namespace.GetName(), blueprint.ReleaseName)
	if err == nil || errors.Is(err, release.ErrNotFound) {
		return nil
	}
	unserved, readErr := op.fleet.unserved(o.record)
	if readErr != nil || len(unserved) == 0 || o.record.Adopted {
		return err
	}
	op.decide("the release has objects of kinds that the cluster no longer serves (%s), so Helm cannot uninstall it: it goes with the namespace",
		strings.Join(unserved, ", "))
	return nil
}

// awaitGone waits until a namespace is gone, and says what is left in it when that does not happen.
func (op *operation) awaitGone(ctx context.Context, namespace *unstructured.Unstructured) error {
	last := namespace
	err := op.fleet.client.kube.AwaitGone(ctx, refNamespace(namespace.GetName()), func(now *unstructured.Unstructured) {
		last = now
		op.enter(ledger.PhaseDelete, namespaceCauses(now)...)
	})
	if err == nil {
		return nil
	}
	causes := namespaceCauses(last)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		causes = append(causes, op.remnants(ctx, namespace.GetName())...)
	}
	return &StepError{Target: op.target, Phase: ledger.PhaseDelete, Causes: causes, Err: err}
}

// maxRemnants bounds how many objects of a namespace that does not go are named.
const maxRemnants = 10

// remnants says what is left in a namespace that does not go.
func (op *operation) remnants(ctx context.Context, namespace string) []spec.Cause {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTime)
	defer cancel()
	var out []spec.Cause
	for _, remnant := range op.fleet.client.kube.Remnants(within, namespace) {
		cause := spec.Cause{Code: "namespace-terminating", Object: remnant.Ref, Message: "is still there"}
		if len(remnant.Finalizers) > 0 {
			cause.Message = "is still there: it waits for its finalizers " + strings.Join(remnant.Finalizers, ", ")
			cause.Fix = "See whether the controller that takes such a finalizer away runs. Only if it never will again, take it away by hand: " +
				fmt.Sprintf("kubectl -n %s edit %s %s", namespace, strings.ToLower(remnant.Ref.Kind), remnant.Ref.Name)
		}
		if out = append(out, cause); len(out) == maxRemnants {
			break
		}
	}
	return out
}

// retains tells whether the volumes of a store outlive it. A namespace that goes and has lost its record already was deleted by an
// operation that had seen to the volumes first.
func (o *observation) retains() bool {
	if o.record == nil {
		return !o.terminating()
	}
	return o.record.Spec.Retention != spec.DeleteData
}

// remains returns what is left of a store, nil when nothing is. A namespace that goes already, since an earlier deletion was
// interrupted, may have lost its record meanwhile: that is no change to fear.
func (op *operation) remains(ctx context.Context, name string, o *observation) (*observation, error) {
	_, err := op.unchanged(ctx, name, o)
	if !errors.Is(err, ErrPreviewStale) {
		return o, err
	}
	now, readErr := op.fleet.observe(ctx, name)
	switch {
	case readErr != nil:
		return nil, readErr
	case now.namespace == nil:
		return nil, nil
	case now.terminating() && now.ours:
		return now, nil
	}
	return nil, err
}

// dropLock removes the lock of a store that is about to be no more.
func (op *operation) dropLock(ctx context.Context) error {
	if err := op.lease.Delete(ctx); err != nil {
		return err
	}
	op.lease = nil
	return nil
}

// disown takes what is ours out of a namespace that was there before us.
func (op *operation) disown(ctx context.Context, name string, o *observation) error {
	for key, item := range o.items {
		theirs := slices.Contains(guardKinds(), item.Ref.Kind) && !o.recorded(key)
		if item.Ref.Kind == "Namespace" || theirs || o.keeps(key) {
			continue
		}
		if err := op.fleet.client.kube.Delete(ctx, item.Ref, item.UID); err != nil {
			return err
		}
	}
	// The labels go before the record: a namespace with our labels and without a record would look like one of our making.
	bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	bare.SetName(o.namespace.GetName())
	if _, err := op.fleet.client.kube.Apply(ctx, bare); err != nil {
		return err
	}
	secret, err := o.record.Secret(op.fleet.name, name)
	if err != nil {
		return err
	}
	return op.fleet.client.kube.Delete(ctx, kube.RefOf(secret), "")
}

// claims are the volume claims that go with a store: all of its namespace, for Kubernetes makes those of a StatefulSet's templates
// without our labels; in an adopted namespace, which stays, those of ours.
func (f *Fleet) claims(ctx context.Context, o *observation) ([]*unstructured.Unstructured, error) {
	query := kube.Query{Kind: kube.KnownKind("PersistentVolumeClaim"), Namespace: o.namespace.GetName()}
	if o.record != nil && o.record.Adopted {
		query.Selector = kube.Labelled(map[string]string{labelFleet: f.name})
	}
	var claims []*unstructured.Unstructured
	err := f.client.kube.List(ctx, query, func(claim *unstructured.Unstructured) error {
		claims = append(claims, claim)
		return nil
	})
	return claims, err
}

// retainVolumes makes the volumes of a store outlive it.
func (op *operation) retainVolumes(ctx context.Context, o *observation) error {
	claims, err := op.fleet.claims(ctx, o)
	if err != nil {
		return err
	}
	for _, claim := range claims {
		volume, _, err := unstructured.NestedString(claim.Object, "spec", "volumeName")
		if err != nil || volume == "" {
			continue // never bound: there is no data
		}
		ref := spec.ObjectRef{APIVersion: "v1", Kind: "PersistentVolume", Name: volume}
		if err := op.fleet.client.kube.Patch(ctx, ref, map[string]any{"spec": map[string]any{"persistentVolumeReclaimPolicy": "Retain"}}); err != nil {
			return err
		}
		op.mu.Lock()
		op.result.Retained = append(op.result.Retained, ref)
		op.mu.Unlock()
		op.warn("volume %s of %s outlives the store: delete it when its data is no longer needed", volume, kube.RefOf(claim))
	}
	return nil
}

// namespaceCauses reads why a namespace is still there.
func namespaceCauses(namespace *unstructured.Unstructured) []spec.Cause {
	conditions, _, err := unstructured.NestedSlice(namespace.Object, "status", "conditions")
	if err != nil {
		return nil
	}
	var out []spec.Cause
	for _, condition := range conditions {
		fields, ok := condition.(map[string]any)
		if !ok || fields["status"] != "True" {
			continue
		}
		out = append(out, spec.Cause{Code: "namespace-terminating", Object: kube.RefOf(namespace), Message: kube.Text(fields["message"])})
	}
	return out
}
