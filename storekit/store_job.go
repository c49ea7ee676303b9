package storekit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// storeJob is work on the data of a store, done by a Job in its namespace.
type storeJob struct {
	name     string
	phase    string          // label of its pods, by which network policies tell what they may reach
	command  []string        // nil = the scripts for data
	args     []string        // verb first
	receiver string          // store that the Job hands a backup to
	env      []corev1.EnvVar // beside that of the chart
	anywhere bool            // need not run beside the shop, whose pods are away
	deadline time.Duration   // after its begin; 0 = that of the chart
}

// jobRetention is how long a Job stays when it is over, in seconds: long enough to be looked at.
const jobRetention int32 = 3600

// errNoJobs is a store whose release has no template for Jobs: it was made by an earlier version of the chart.
var errNoJobs = errors.New("the release has no CronJob " + blueprint.BackupName)

// runJob runs a Job made from the chart's CronJob for backups, as `kubectl create job --from` makes one, and returns its last words.
func (op *operation) runJob(ctx context.Context, d *desired, j storeJob) (string, error) {
	namespace := d.spec.Namespace()
	if err := op.endJobs(ctx, namespace); err != nil {
		return "", err
	}
	if err := op.startJob(ctx, namespace, j); err != nil {
		return "", err
	}
	alone := &desired{spec: d.spec, charted: map[string]bool{"Job/" + j.name: true}}
	if err := op.await(ctx, alone); err != nil {
		return "", err
	}
	pods, err := op.jobPods(ctx, namespace, j.name)
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		for _, container := range pod.Status.ContainerStatuses {
			if ended := container.State.Terminated; ended != nil && pod.Status.Phase == corev1.PodSucceeded {
				return ended.Message, nil
			}
		}
	}
	return "", nil
}

func (op *operation) jobPods(ctx context.Context, namespace, job string) ([]corev1.Pod, error) {
	selector := kube.Labelled(map[string]string{batchv1.JobNameLabel: job})
	pods, err := op.fleet.client.kube.Typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the pods of Job %s in namespace %s: %w", job, namespace, err)
	}
	return pods.Items, nil
}

// startJob makes a Job.
func (op *operation) startJob(ctx context.Context, namespace string, j storeJob) error {
	client := op.fleet.client.kube.Typed.BatchV1()
	cron, err := client.CronJobs(namespace).Get(ctx, blueprint.BackupName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return errNoJobs
	case err != nil:
		return fmt.Errorf("read CronJob %s of namespace %s: %w", blueprint.BackupName, namespace, err)
	}
	if _, err = client.Jobs(namespace).Create(ctx, j.from(cron), metav1.CreateOptions{FieldManager: op.fleet.client.kube.Manager}); err != nil {
		return fmt.Errorf("create Job %s in namespace %s: %w", j.name, namespace, err)
	}
	return nil
}

// from makes the Job from a template.
func (j storeJob) from(template *batchv1.CronJob) *batchv1.Job {
	retention := jobRetention
	spec := *template.Spec.JobTemplate.Spec.DeepCopy()
	spec.TTLSecondsAfterFinished = &retention
	if j.deadline > 0 {
		seconds := int64(j.deadline/time.Second) + 1
		spec.ActiveDeadlineSeconds = &seconds
	}
	pod := &spec.Template
	pod.Labels = maps.Clone(pod.Labels)
	pod.Labels[blueprint.LabelPhase] = j.phase
	if j.receiver != "" {
		pod.Labels[blueprint.LabelReceiver] = j.receiver
	}
	if j.anywhere {
		pod.Spec.Affinity = nil
	}
	data := &pod.Spec.Containers[0]
	if j.command != nil {
		data.Command = j.command
	}
	data.Args = j.args
	data.Env = append(data.Env, j.env...)
	labels := maps.Clone(template.Spec.JobTemplate.Labels)
	labels[blueprint.LabelPhase] = j.phase
	if j.receiver != "" {
		labels[blueprint.LabelReceiver] = j.receiver
	}
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: j.name, Namespace: template.Namespace, Labels: labels}, Spec: spec}
}

// endJobs ends the Jobs that interrupted operations have left, for two must not work on the same data. One that hands out a backup is
// for the store that gets it to end: it only reads.
func (op *operation) endJobs(ctx context.Context, namespace string) error {
	jobs, err := op.jobs(ctx, namespace)
	if err != nil {
		return err
	}
	return op.deleteJobs(ctx, slices.DeleteFunc(jobs, func(job batchv1.Job) bool {
		phase := job.Labels[blueprint.LabelPhase]
		return finished(job) || metav1.GetControllerOf(&job) != nil || phase == "" || phase == blueprint.PhaseServe
	}))
}

func (op *operation) jobs(ctx context.Context, namespace string) ([]batchv1.Job, error) {
	selector := kube.Labelled(map[string]string{labelFleet: op.fleet.name})
	jobs, err := op.fleet.client.kube.Typed.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list Jobs of namespace %s: %w", namespace, err)
	}
	return jobs.Items, nil
}

// deleteJobs deletes Jobs and waits until their pods are gone too.
func (op *operation) deleteJobs(ctx context.Context, jobs []batchv1.Job) error {
	first := metav1.DeletePropagationForeground
	for _, job := range jobs {
		uid := job.UID
		err := op.fleet.client.kube.Typed.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
			PropagationPolicy: &first, Preconditions: &metav1.Preconditions{UID: &uid},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete Job %s of namespace %s: %w", job.Name, job.Namespace, err)
		}
	}
	for _, job := range jobs {
		ref := spec.ObjectRef{APIVersion: "batch/v1", Kind: "Job", Namespace: job.Namespace, Name: job.Name}
		if err := op.fleet.client.kube.AwaitGone(ctx, ref, func(*object) {}); err != nil {
			return err
		}
	}
	return nil
}

func finished(job batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
	})
}
