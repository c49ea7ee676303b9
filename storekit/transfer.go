package storekit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// fetchBackup copies a backup of another store of the fleet to the volume of this one. A Job there hands it to a Job here; two network
// policies and a token that both know let it pass, for as long as it takes.
//
// It works in the namespace of the other store without the lock of that one, whose operations leave alone what is there for as long as
// the Job is: see [operation.endJobs] and [observation.strangers]. So the policies come after it.
func (op *operation) fetchBackup(ctx context.Context, work *storeWork, store, id string) (err error) {
	to := work.desired.spec
	from := spec.Store{Name: store}
	if err := op.endServing(ctx, from.Namespace(), to.Name); err != nil {
		return err
	}
	policies, secrets := blueprint.Transfer(op.fleet.name, from, to)
	defer func() {
		tail, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		for _, object := range slices.Concat(policies, secrets) {
			if failed := op.fleet.client.kube.Delete(tail, kube.RefOf(object), ""); failed != nil {
				err = errors.Join(err, failed)
			}
		}
	}()
	token := make([]byte, 32)
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("generate a token: %w", err)
	}
	for _, secret := range secrets {
		secret.Object["data"] = map[string]any{blueprint.TransferToken: encode(hex.EncodeToString(token))}
		if _, err := op.fleet.client.kube.Apply(ctx, secret); err != nil {
			return err
		}
	}
	env := []corev1.EnvVar{{Name: "BACKUP_ID", Value: id}, {Name: "TRANSFER_TOKEN", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: blueprint.TransferName(to.Name)}, Key: blueprint.TransferToken},
	}}}
	serve := storeJob{
		name: serveName(op.started, to.Name), phase: blueprint.PhaseServe, args: []string{"serve"}, env: env, receiver: to.Name,
	}
	if end, bounded := ctx.Deadline(); bounded { // nobody asks for the backup after that
		serve.deadline = time.Until(end)
	}
	if err := op.startJob(ctx, from.Namespace(), serve); err != nil {
		return err
	}
	address, err := op.awaitAddress(ctx, from.Namespace(), serve.name)
	if err != nil {
		return err
	}
	for _, policy := range policies {
		if _, err := op.fleet.client.kube.Apply(ctx, policy); err != nil {
			return err
		}
	}
	fetch := storeJob{
		name: "fetch-" + spec.BackupID(op.started), phase: blueprint.PhaseFetch, args: []string{"fetch"}, anywhere: true,
		env: append(env, corev1.EnvVar{Name: "TRANSFER_HOST", Value: address}),
	}
	said, err := op.runJob(ctx, work.desired, fetch)
	if err != nil {
		return err
	}
	next := *work.observed.record
	next.Backups = parseBackups(said)
	return op.save(ctx, work, &next)
}

// endServing ends the Jobs in a namespace that were to hand a backup to a store whose operation was interrupted.
func (op *operation) endServing(ctx context.Context, namespace, receiver string) error {
	jobs, err := op.jobs(ctx, namespace)
	if err != nil {
		return err
	}
	return op.deleteJobs(ctx, slices.DeleteFunc(jobs, func(job batchv1.Job) bool {
		return finished(job) || job.Labels[blueprint.LabelPhase] != blueprint.PhaseServe || job.Labels[blueprint.LabelReceiver] != receiver
	}))
}

// handover is a Job that hands a backup to another store, or did so.
type handover struct{ receiver string }

// keepHandover keeps who gets a backup from a Job, and nothing of another Job.
func keepHandover(live metav1.Object) (any, error) {
	if labels := live.GetLabels(); labels[blueprint.LabelPhase] == blueprint.PhaseServe {
		return handover{labels[blueprint.LabelReceiver]}, nil
	}
	return nil, nil
}

// serveName is the name of the Job that hands out a backup. Several stores may get one in the same second; the name of the receiver may
// be too long for the name of a Job, of at most 63 characters.
func serveName(started time.Time, receiver string) string {
	sum := sha256.Sum256([]byte(receiver))
	return "serve-" + spec.BackupID(started) + "-" + hex.EncodeToString(sum[:4])
}

// awaitAddress waits until the pod of a Job runs, and returns its address.
func (op *operation) awaitAddress(ctx context.Context, namespace, job string) (string, error) {
	var address string
	err := op.fleet.client.kube.AwaitWorkloads(ctx, namespace, func(w kube.Workloads) (bool, error) {
		waiting := spec.Cause{
			Code: "not-ready", Object: spec.ObjectRef{APIVersion: "batch/v1", Kind: "Job", Namespace: namespace, Name: job}, Message: "has no pod that runs",
		}
		for _, pod := range w.Pods {
			switch {
			case pod.Labels[batchv1.JobNameLabel] != job:
			case pod.Status.Phase == corev1.PodFailed:
				return false, fmt.Errorf("pod %s of namespace %s failed: %s", pod.Name, namespace, pod.Status.Message)
			case pod.Status.Phase != corev1.PodPending:
				address = pod.Status.PodIP
				return true, nil
			}
		}
		op.enter(op.phase, waiting)
		return false, nil
	})
	return address, err
}
