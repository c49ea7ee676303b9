// Package explain says why a store is not ready: a pure function from what the cluster shows to causes, each with a stable
// code, the object, the cluster's own words and what to do about it.
package explain

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// The codes of causes.
const (
	PodsRejected  = "pods-rejected"    // quota, limit range or pod security refuse the pods
	Unschedulable = "unschedulable"    // no node takes the pod
	ImagePull     = "image-pull"       // an image cannot be fetched
	BadConfig     = "container-config" // a container refers to a Secret or ConfigMap that is not there
	OutOfMemory   = "out-of-memory"
	CrashLoop     = "crash-loop"
	ClaimUnbound  = "claim-unbound" // a volume is not provisioned
	JobFailed     = "job-failed"
)

// Workloads is what runs in a namespace, and what is said about it.
type Workloads struct {
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	ReplicaSets  []*appsv1.ReplicaSet
	Jobs         []*batchv1.Job
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Events       []*corev1.Event
}

// Causes returns what is wrong, most telling first, at most one cause for each object. It is empty while things merely take
// their time.
func Causes(w Workloads) []spec.Cause {
	var causes []spec.Cause
	for _, d := range w.Deployments {
		for _, condition := range d.Status.Conditions {
			if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
				causes = append(causes, rejected(ref("apps/v1", "Deployment", d.Namespace, d.Name), condition.Message))
			}
		}
	}
	for _, s := range w.StatefulSets {
		if message := failedCreate(w.Events, "StatefulSet", s.Name); message != "" && s.Status.Replicas < replicas(s.Spec.Replicas) {
			causes = append(causes, rejected(ref("apps/v1", "StatefulSet", s.Namespace, s.Name), message))
		}
	}
	for _, j := range w.Jobs {
		causes = append(causes, jobCauses(j, w.Events)...)
	}
	for _, p := range w.Pods {
		causes = append(causes, podCauses(p, w.Events)...)
	}
	for _, c := range w.Claims {
		if c.Status.Phase != corev1.ClaimPending {
			continue
		}
		if message := warning(w.Events, "PersistentVolumeClaim", c.Name); message != "" {
			causes = append(causes, spec.Cause{
				Code: ClaimUnbound, Object: ref("v1", "PersistentVolumeClaim", c.Namespace, c.Name),
				Message: "the volume is not provisioned", Evidence: message,
				Fix: "Check that storage.class names a StorageClass whose provisioner runs.",
			})
		}
	}
	return causes
}

func rejected(object spec.ObjectRef, evidence string) spec.Cause {
	return spec.Cause{
		Code: PodsRejected, Object: object, Message: "its pods are refused", Evidence: evidence,
		Fix: "If a quota refuses them, choose a larger plan; if pod security does, correct the container's security context. Then apply again: it resumes.",
	}
}

func jobCauses(j *batchv1.Job, events []*corev1.Event) []spec.Cause {
	object := ref("batch/v1", "Job", j.Namespace, j.Name)
	for _, condition := range j.Status.Conditions {
		if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
			return []spec.Cause{{
				Code: JobFailed, Object: object, Message: "the job failed", Evidence: condition.Message,
				Fix: fmt.Sprintf("Read its log: kubectl -n %s logs job/%s", j.Namespace, j.Name),
			}}
		}
	}
	if message := failedCreate(events, "Job", j.Name); message != "" && j.Status.Active == 0 && j.Status.Succeeded == 0 {
		return []spec.Cause{rejected(object, message)}
	}
	return nil
}

// harmless are the waiting reasons of a container that is on its way.
func harmless(reason string) bool {
	return slices.Contains([]string{"", "ContainerCreating", "PodInitializing"}, reason)
}

func podCauses(p *corev1.Pod, events []*corev1.Event) []spec.Cause {
	object := ref("v1", "Pod", p.Namespace, p.Name)
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return []spec.Cause{{
				Code: Unschedulable, Object: object, Message: "no node takes the pod", Evidence: condition.Message,
				Fix: "Add a node, or free or add the resource that the scheduler names.",
			}}
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if ended := s.State.Terminated; p.Status.Phase == corev1.PodFailed && ended != nil && ended.ExitCode != 0 {
			return []spec.Cause{{
				Code: JobFailed, Object: object, Message: fmt.Sprintf("container %s failed", s.Name),
				Evidence: strings.TrimSpace(fmt.Sprintf("exit code %d %s", ended.ExitCode, ended.Message)),
				Fix:      fmt.Sprintf("Read its log: kubectl -n %s logs %s -c %s", p.Namespace, p.Name, s.Name),
			}}
		}
		if last := s.LastTerminationState.Terminated; last != nil && last.Reason == "OOMKilled" {
			return []spec.Cause{{
				Code: OutOfMemory, Object: object, Message: fmt.Sprintf("container %s was killed: it used more memory than its limit%s", s.Name, memoryLimit(p, s.Name)),
				Evidence: fmt.Sprintf("OOMKilled, exit code %d, %d restarts", last.ExitCode, s.RestartCount),
				Fix:      "Give the container a higher memory limit, and the store a plan with room for it.",
			}}
		}
		waiting := s.State.Waiting
		if waiting == nil || harmless(waiting.Reason) {
			continue
		}
		cause := spec.Cause{Object: object, Evidence: waiting.Reason + ": " + waiting.Message}
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
			cause.Code, cause.Message = ImagePull, fmt.Sprintf("image %s of container %s cannot be pulled", s.Image, s.Name)
			if message := warning(events, "Pod", p.Name); message != "" {
				cause.Evidence = message
			}
			cause.Fix = "Check the image's name and tag, and that the nodes can reach its registry and may read from it."
		case "CrashLoopBackOff", "RunContainerError", "StartError":
			cause.Code, cause.Message = CrashLoop, fmt.Sprintf("container %s keeps ending", s.Name)
			if last := s.LastTerminationState.Terminated; last != nil {
				cause.Evidence = strings.TrimSpace(fmt.Sprintf("exit code %d, %d restarts %s", last.ExitCode, s.RestartCount, last.Message))
			}
			cause.Fix = fmt.Sprintf("Read its log: kubectl -n %s logs %s -c %s --previous", p.Namespace, p.Name, s.Name)
		default:
			cause.Code, cause.Message = BadConfig, fmt.Sprintf("container %s cannot start", s.Name)
			cause.Fix = fmt.Sprintf("See kubectl -n %s describe pod %s", p.Namespace, p.Name)
		}
		return []spec.Cause{cause}
	}
	return nil
}

func memoryLimit(p *corev1.Pod, container string) string {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == container {
			return " of " + limit.String()
		}
	}
	return ""
}

// warning returns the latest warning about an object.
func warning(events []*corev1.Event, kind, name string) string {
	return latest(events, func(e *corev1.Event) bool {
		return e.Type == corev1.EventTypeWarning && e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name
	})
}

// failedCreate returns the latest word of a controller whose pods were refused.
func failedCreate(events []*corev1.Event, kind, name string) string {
	return latest(events, func(e *corev1.Event) bool {
		return e.Reason == "FailedCreate" && e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name
	})
}

func latest(events []*corev1.Event, match func(*corev1.Event) bool) string {
	var found *corev1.Event
	for _, e := range events {
		if match(e) && (found == nil || e.LastTimestamp.After(found.LastTimestamp.Time)) {
			found = e
		}
	}
	if found == nil {
		return ""
	}
	return found.Message
}

func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func ref(apiVersion, kind, namespace, name string) spec.ObjectRef {
	return spec.ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: namespace, Name: name}
}
