package explain

import (
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// refusals names the workloads whose pods are not let in, most of them by admission. Deployments say so in a condition, the
// others in events alone.
func (w Workloads) refusals() []Finding {
	var out []Finding
	add := func(object spec.ObjectRef, condition string, since time.Time, events ...spec.ObjectRef) {
		said := condition
		for _, from := range events {
			if event := w.latest(from, "FailedCreate"); event != nil {
				said, since = event.Message, later(since, lastSaid(event))
			}
		}
		if said == "" {
			return
		}
		found := find(refusalCode(said), object, said)
		found.Said = since
		found.Hopeful = found.Code == QuotaExceeded && w.frees()
		out = append(out, found)
	}
	for _, d := range w.Deployments {
		for _, condition := range d.Status.Conditions {
			if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
				add(ref("apps/v1", "Deployment", d.Namespace, d.Name), condition.Message, condition.LastUpdateTime.Time, w.replicaSetsOf(d)...)
			}
		}
	}
	for _, s := range w.StatefulSets {
		if s.Status.Replicas < replicas(s.Spec.Replicas) {
			object := ref("apps/v1", "StatefulSet", s.Namespace, s.Name)
			add(object, "", time.Time{}, object)
		}
	}
	for _, d := range w.DaemonSets {
		if d.Status.CurrentNumberScheduled < d.Status.DesiredNumberScheduled {
			object := ref("apps/v1", "DaemonSet", d.Namespace, d.Name)
			add(object, "", time.Time{}, object)
		}
	}
	for _, j := range w.Jobs {
		if j.Status.Active == 0 && j.Status.Succeeded == 0 && j.Status.Failed == 0 {
			object := ref("batch/v1", "Job", j.Namespace, j.Name)
			add(object, "", time.Time{}, object)
		}
	}
	return out
}

// refusalCode tells refusals apart by the words of Kubernetes' admission plugins: there is nothing but words. They are those of
// apiserver/pkg/admission/plugin/resourcequota/controller.go, pod-security-admission/admission/admission.go and
// kubernetes/plugin/pkg/admission/limitranger/admission.go.
func refusalCode(words string) string {
	switch {
	case strings.Contains(words, "exceeded quota: "):
		return QuotaExceeded
	case strings.Contains(words, "violates PodSecurity "):
		return PodSecurity
	case limitWords.MatchString(words):
		return LimitRange
	}
	return PodsRejected
}

var limitWords = regexp.MustCompile(`(minimum|maximum) \S+ usage per \w+ is |\S+ max limit to request ratio per \w+ is `)

// frees tells whether a pod is about to end, so that its share of a quota comes back.
func (w Workloads) frees() bool {
	for _, p := range w.Pods {
		ends := p.DeletionTimestamp != nil || ofJob(p)
		if ends && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			return true
		}
	}
	return false
}

func (w Workloads) replicaSetsOf(d *appsv1.Deployment) []spec.ObjectRef {
	var out []spec.ObjectRef
	for _, r := range w.ReplicaSets {
		if owner := metav1.GetControllerOf(r); owner != nil && owner.Name == d.Name {
			out = append(out, ref("apps/v1", "ReplicaSet", r.Namespace, r.Name))
		}
	}
	return out
}

// jobFailures names the Jobs that gave up, each with the pod that tells most.
func (w Workloads) jobFailures() []Finding {
	var out []Finding
	for _, j := range w.Jobs {
		for _, condition := range j.Status.Conditions {
			if condition.Type != batchv1.JobFailed || condition.Status != corev1.ConditionTrue {
				continue
			}
			found := find(JobFailed, ref("batch/v1", "Job", j.Namespace, j.Name), condition.Reason+": "+condition.Message)
			for _, p := range w.Pods {
				if owner := metav1.GetControllerOf(p); owner == nil || owner.Kind != "Job" || owner.Name != j.Name {
					continue
				}
				if s := failedContainer(p); s != nil {
					found.Pod, found.Container, found.Output = p.Name, s.Name, s.State.Terminated.Message
				}
			}
			out = append(out, found)
		}
	}
	return out
}

// stalledRollouts names the Deployments whose controller says that nothing moves.
func (w Workloads) stalledRollouts() []Finding {
	var out []Finding
	for _, d := range w.Deployments {
		for _, condition := range d.Status.Conditions {
			// The reason is k8s.io/kubernetes/pkg/controller/deployment/util.TimedOutReason.
			if condition.Type == appsv1.DeploymentProgressing && condition.Status == corev1.ConditionFalse && condition.Reason == "ProgressDeadlineExceeded" {
				out = append(out, find(RolloutStalled, ref("apps/v1", "Deployment", d.Namespace, d.Name), condition.Message))
			}
		}
	}
	return out
}

func ofJob(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "Job"
}

func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
