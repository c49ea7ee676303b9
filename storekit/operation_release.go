package storekit

import (
	"context"
	"errors"
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

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
	case current == nil && d.revision > 0:
		return noRevision(d.spec, "cannot be reached: the release is gone, with its history. Take rollback_to out")
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
	if err := op.clearFailedJobs(ctx, d); err != nil {
		return err
	}
	lastDone := o.record.Release.Revision
	if d.revision > 0 {
		if err := op.reach(ctx, work, ledger.PhaseRollback); err != nil {
			return err
		}
		if _, err := helm.Rollback(ctx, d.request.Namespace, d.request.Name, d.revision, lastDone); err != nil {
			return err
		}
		return op.repairChart(ctx, work)
	}
	request := d.request
	request.Keep = lastDone
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

// sweep finishes what Helm begins and passes over when a request fails: objects that the chart no longer has are deleted, and earlier
// revisions are superseded.
func (op *operation) sweep(ctx context.Context, work *storeWork, after *observation) error {
	former := make(map[string]bool)
	if work.undoes != nil {
		maps.Copy(former, work.undoes.charted)
	}
	for key, entry := range work.observed.record.Objects {
		former[key] = former[key] || entry.Charted
	}
	for key, charted := range former {
		item, present := after.items[key]
		if !present || !charted || work.desired.digests[key] != "" || item.Ref.Kind == "PersistentVolumeClaim" {
			continue
		}
		live, err := op.fleet.client.kube.Get(ctx, item.Ref)
		switch {
		case apierrors.IsNotFound(err) || err == nil && (live.GetDeletionTimestamp() != nil || live.GetAnnotations()[release.KeepAnnotation] == release.KeepPolicy):
			continue
		case err != nil:
			return err
		}
		op.decide("%s is no longer part of the chart, but Helm has left it: it is deleted", item.Ref)
		if err := op.fleet.client.kube.Delete(ctx, item.Ref, item.UID); err != nil {
			return err
		}
	}
	for _, one := range after.history[:max(0, len(after.history)-1)] {
		if one.Status != "deployed" {
			continue
		}
		op.decide("release revision %d is over, but Helm could not record that: it is marked superseded", one.Revision)
		if err := op.fleet.client.helm.Supersede(ctx, work.desired.request.Namespace, work.desired.request.Name, one.Revision); err != nil {
			return err
		}
	}
	return nil
}

// clearFailedJobs deletes the Jobs of the chart that an earlier attempt left failed: Kubernetes never starts them again.
func (op *operation) clearFailedJobs(ctx context.Context, d *desired) error {
	if op.action != Resume {
		return nil
	}
	jobs, err := op.fleet.client.kube.Typed.BatchV1().Jobs(d.request.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.FormatLabels(d.request.Labels),
	})
	if err != nil {
		return err
	}
	for _, job := range jobs.Items {
		ref := spec.ObjectRef{APIVersion: "batch/v1", Kind: "Job", Namespace: job.Namespace, Name: job.Name}
		failed := slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
		})
		if !failed || !d.charted[ref.String()] {
			continue
		}
		op.decide("%s had failed: it is made anew", ref)
		if err := op.fleet.client.kube.Delete(ctx, ref, job.UID); err != nil {
			return err
		}
	}
	return nil
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
