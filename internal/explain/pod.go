package explain

import (
	"fmt"
	"regexp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// podFindings returns what keeps a pod from being ready: at most one finding. That of a pod which a StatefulSet is to replace may go
// with it; but a StatefulSet that keeps its order never replaces a pod that is not ready (kubernetes/kubernetes#67250).
func (w Workloads) podFindings(p *corev1.Pod) []Finding {
	out := w.findingsOf(p)
	if !w.outdated(p) {
		return out
	}
	for i := range out {
		out[i].Hopeful = true
		out[i].Fix += fmt.Sprintf(" The pod is of an earlier revision. If it stays, delete it: kubectl -n %s delete pod %s", p.Namespace, p.Name)
	}
	return out
}

// outdated tells whether a StatefulSet has a newer revision than that of its pod.
func (w Workloads) outdated(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && slices.ContainsFunc(w.StatefulSets, func(s *appsv1.StatefulSet) bool {
		return owner.Kind == "StatefulSet" && s.Name == owner.Name && s.Status.UpdateRevision != p.Labels[appsv1.StatefulSetRevisionLabel]
	})
}

func (w Workloads) findingsOf(p *corev1.Pod) []Finding {
	if p.DeletionTimestamp != nil || w.repeated(p) {
		return nil
	}
	object := ref("v1", "Pod", p.Namespace, p.Name)
	if p.Status.Reason == "Evicted" { // k8s.io/kubernetes/pkg/kubelet/eviction.Reason
		return []Finding{find(NodePressure, object, p.Status.Message)}
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return []Finding{find(Unschedulable, object, condition.Message)}
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if found := w.containerFinding(p, s, object); found != nil {
			if found.Code == OutOfMemory || found.Code == CrashLoop { // the others never ran
				found.Pod, found.Container = p.Name, s.Name
			}
			return []Finding{*found}
		}
	}
	if failed := failedContainer(p); failed != nil {
		ended := failed.State.Terminated
		found := find(JobAttemptFailed, object, fmt.Sprintf("%s, exit code %d", ended.Reason, ended.ExitCode), "{container}", failed.Name)
		found.Pod, found.Container, found.Output = p.Name, failed.Name, ended.Message
		return []Finding{found}
	}
	if p.Status.Phase == corev1.PodPending {
		mounted := w.latest(object, "Pulling", "Pulled") // the kubelet mounts before it pulls
		if event := w.latest(object, "FailedMount", "FailedAttachVolume"); event != nil && (mounted == nil || lastSaid(event).After(lastSaid(mounted))) {
			return []Finding{find(MountFailed, object, event.Message)}
		}
	}
	return w.unready(p, object)
}

// repeated tells whether a failed attempt of a Job needs no word: the Job gave up and says so, or a later attempt failed too.
func (w Workloads) repeated(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodFailed || !ofJob(p) {
		return false
	}
	job := metav1.GetControllerOf(p).Name
	gaveUp := slices.ContainsFunc(w.jobFailures(), func(f Finding) bool { return f.Object.Name == job })
	return gaveUp || slices.ContainsFunc(w.Pods, func(other *corev1.Pod) bool {
		return ofJob(other) && metav1.GetControllerOf(other).Name == job && other.Status.Phase == corev1.PodFailed &&
			other.CreationTimestamp.After(p.CreationTimestamp.Time)
	})
}

// containerFinding returns why a container does not run; nil when it does, or is on its way.
func (w Workloads) containerFinding(p *corev1.Pod, s corev1.ContainerStatus, object spec.ObjectRef) *Finding {
	last, restarts := s.LastTerminationState.Terminated, fmt.Sprintf("%d restarts", s.RestartCount)
	killed := slices.IndexFunc([]*corev1.ContainerStateTerminated{s.State.Terminated, last}, func(t *corev1.ContainerStateTerminated) bool {
		return t != nil && t.Reason == "OOMKilled"
	})
	if killed >= 0 && !s.Ready {
		found := find(OutOfMemory, object, "OOMKilled, exit code 137, "+restarts, "{container}", s.Name, "{limit}", memoryLimit(p, s.Name))
		found.Previous = killed == 1
		return &found
	}
	if !held(s) {
		return nil
	}
	waiting := s.State.Waiting
	words := []string{"{container}", s.Name, "{image}", s.Image}
	evidence := waiting.Reason + ": " + waiting.Message
	switch waiting.Reason { // k8s.io/kubernetes/pkg/kubelet/images/types.go, pkg/kubelet/container/sync_result.go
	case "InvalidImageName":
		found := find(ImageName, object, evidence, words...)
		return &found
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
		code := ImagePull
		if event := w.latest(object, "Failed"); event != nil && deniedWords.MatchString(event.Message) || deniedWords.MatchString(waiting.Message) {
			code = ImageDenied
		}
		found := find(code, object, evidence, words...)
		if pulled := w.latest(object, "Pulling"); pulled != nil {
			found.Said = lastSaid(pulled)
		}
		return &found
	case "CreateContainerConfigError":
		found := find(BadConfig, object, evidence, words...)
		return &found
	}
	if last != nil {
		evidence = fmt.Sprintf("exit code %d, %s", last.ExitCode, restarts)
	}
	found := find(CrashLoop, object, evidence, words...)
	if last != nil {
		found.Previous, found.Output = true, last.Message
	}
	return &found
}

// held tells whether something keeps a container from running, and not just that it is on its way.
func held(s corev1.ContainerStatus) bool {
	waiting := s.State.Waiting
	return waiting != nil && !slices.Contains([]string{"", "ContainerCreating", "PodInitializing"}, waiting.Reason)
}

// Idle tells whether no container of a pod runs or is about to: the pod has no node, or something such as an image that cannot be pulled
// holds it up. A container that it starts later gets the values that Secrets have by then: the kubelet reads them for each container
// that it makes (kubernetes/pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables).
func Idle(p *corev1.Pod) bool {
	statuses := slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
	runs := slices.ContainsFunc(statuses, func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
	return p.Spec.NodeName == "" || !runs && slices.ContainsFunc(statuses, held)
}

// deniedWords are how registries refuse to show an image, as containerd and CRI-O pass it on: codes DENIED and UNAUTHORIZED of
// the distribution specification, or the status alone.
var deniedWords = regexp.MustCompile(`(?i)\b(denied|unauthorized|authorization failed|403 forbidden)\b`)

// unready returns why a pod whose containers start is not ready: an init container runs, or a probe fails.
func (w Workloads) unready(p *corev1.Pod, object spec.ObjectRef) []Finding {
	for _, s := range p.Status.InitContainerStatuses {
		sidecar := slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == s.Name && c.RestartPolicy != nil })
		if s.State.Running != nil && !sidecar {
			found := find(InitContainer, object, "", "{container}", s.Name)
			found.Pod, found.Container = p.Name, s.Name
			return []Finding{found}
		}
	}
	event := w.latest(object, "Unhealthy")
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running == nil || s.Ready || event == nil {
			continue
		}
		found := find(ProbeFailing, object, fmt.Sprintf("%d restarts", s.RestartCount), "{container}", s.Name)
		found.Pod, found.Container, found.Output = p.Name, s.Name, event.Message
		return []Finding{found}
	}
	return nil
}

// failedContainer returns the container that made a pod fail.
func failedContainer(p *corev1.Pod) *corev1.ContainerStatus {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if ended := s.State.Terminated; p.Status.Phase == corev1.PodFailed && ended != nil && ended.ExitCode != 0 {
			return &s
		}
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

// nodeFindings names the nodes that are short of something.
func (w Workloads) nodeFindings() []Finding {
	var out []Finding
	for _, n := range w.Nodes {
		for _, condition := range n.Status.Conditions {
			want := corev1.ConditionFalse
			switch condition.Type {
			case corev1.NodeReady:
				want = corev1.ConditionTrue
			case corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure:
			default:
				continue
			}
			if condition.Status != want {
				out = append(out, find(NodePressure, ref("v1", "Node", "", n.Name), fmt.Sprintf("%s=%s: %s", condition.Type, condition.Status, condition.Message)))
			}
		}
	}
	return out
}
