package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// failure is what the kubelet of a failing pod reports next. Statuses, reasons and messages are those of a real kubelet,
// because they are what callers read causes from; only the waits between two restarts are shorter.
type failure struct {
	// status is nil when there is nothing new to report.
	status *corev1.PodStatus
	events []podEvent
	// again is after how long to ask again; zero is not before the pod changes.
	again time.Duration
}

// podEvent is an event about one container of a pod.
type podEvent struct {
	kind, reason, message, fieldPath string
}

// nextFailure decides what a pod's kubelet reports at a time.
func nextFailure(pod *corev1.Pod, now time.Time) failure {
	m := markOf(pod)
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if m.behaviour == "" || m.behaviour == unschedulable || pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || ended {
		return failure{}
	}
	f := failing{pod: pod, mark: m, now: metav1.NewTime(now)}
	if m.behaviour == neverPull {
		return f.pull()
	}
	if pod.Spec.RestartPolicy == corev1.RestartPolicyNever {
		return f.end()
	}
	return f.crash()
}

// failing is one pod that is marked to fail, at one time.
type failing struct {
	pod  *corev1.Pod
	mark mark
	now  metav1.Time
}

// culprit says whether a container is one that fails: the ones whose image asks for it, or all if the namespace does.
func (f failing) culprit(container corev1.Container) bool {
	return f.mark.because != becauseImage || f.mark.behaviour.named(container.Image)
}

// pull reports containers whose image cannot be pulled, once.
func (f failing) pull() failure {
	if f.pod.Status.Phase == corev1.PodRunning {
		return failure{} // the image is there
	}
	for _, status := range append(f.pod.Status.InitContainerStatuses, f.pod.Status.ContainerStatuses...) {
		if status.State.Waiting != nil && status.State.Waiting.Reason == "ImagePullBackOff" {
			return failure{}
		}
	}
	var events []podEvent
	status := f.status(corev1.PodPending, func(c corev1.Container, path string) corev1.ContainerStatus {
		cause := fmt.Sprintf("rpc error: code = NotFound desc = failed to pull and unpack image %[1]q: failed to resolve reference %[1]q: %[1]s: not found", c.Image)
		events = append(events,
			podEvent{corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image), path},
			podEvent{corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", c.Image, cause), path},
			podEvent{corev1.EventTypeWarning, "Failed", "Error: ErrImagePull", path},
			podEvent{corev1.EventTypeNormal, "BackOff", fmt.Sprintf("Back-off pulling image %q", c.Image), path},
			podEvent{corev1.EventTypeWarning, "Failed", "Error: ImagePullBackOff", path})
		return corev1.ContainerStatus{State: waiting("ImagePullBackOff",
			fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", c.Image, cause))}
	})
	return failure{status: status, events: events}
}

// crash reports containers that ended and wait for their next start, or the next end of one whose wait is over.
func (f failing) crash() failure {
	if left := f.untilNextCrash(); left > 0 {
		return failure{again: left}
	}
	var events []podEvent
	var again time.Duration
	status := f.status(corev1.PodRunning, func(c corev1.Container, path string) corev1.ContainerStatus {
		restarts := f.last(c.Name).RestartCount + 1
		wait := backOff(restarts)
		if again == 0 || wait < again {
			again = wait
		}
		id := fmt.Sprintf("%s_%s(%s)", f.pod.Name, f.pod.Namespace, f.pod.UID)
		events = append(events,
			podEvent{corev1.EventTypeNormal, "Started", fmt.Sprintf("Started container %s", c.Name), path},
			podEvent{corev1.EventTypeWarning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.Name, id), path})
		return corev1.ContainerStatus{
			RestartCount:         restarts,
			LastTerminationState: corev1.ContainerState{Terminated: f.death()},
			State:                waiting("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", wait, c.Name, id)),
		}
	})
	return failure{status: status, events: events, again: again}
}

// end reports the end of a pod that is not restarted.
func (f failing) end() failure {
	status := f.status(corev1.PodFailed, func(corev1.Container, string) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: f.death()}}
	})
	for i := range status.ContainerStatuses {
		if s := &status.ContainerStatuses[i]; s.State.Terminated == nil {
			s.Ready, s.Started = false, nil
			s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: f.now, FinishedAt: f.now}}
		}
	}
	return failure{status: status}
}

// death is how a container of the pod ends.
func (f failing) death() *corev1.ContainerStateTerminated {
	if f.mark.behaviour == outOfMemory {
		return &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", StartedAt: f.now, FinishedAt: f.now}
	}
	return &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: f.now, FinishedAt: f.now}
}

// untilNextCrash is how long the pod still waits for its next start; zero or less if it is due or has not crashed yet.
func (f failing) untilNextCrash() time.Duration {
	var left time.Duration
	for _, status := range append(f.pod.Status.InitContainerStatuses, f.pod.Status.ContainerStatuses...) {
		ended := status.LastTerminationState.Terminated
		if status.State.Waiting == nil || status.State.Waiting.Reason != "CrashLoopBackOff" || ended == nil {
			continue
		}
		// Times in a status have whole seconds.
		due := ended.FinishedAt.Add(backOff(status.RestartCount))
		if l := due.Sub(f.now.Time); left == 0 || l < left {
			left = l
		}
	}
	return left
}

// backOff is the wait before the n-th restart: 2 s, 4 s, and so on up to a minute.
func backOff(restarts int32) time.Duration {
	const longest = time.Minute
	if restarts > 5 {
		return longest
	}
	return time.Second << restarts
}

// last is the status of a container that the pod has now.
func (f failing) last(container string) corev1.ContainerStatus {
	for _, status := range append(f.pod.Status.InitContainerStatuses, f.pod.Status.ContainerStatuses...) {
		if status.Name == container {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

// status builds the pod's status around the containers that fail, which fail describes. The first init container that
// fails keeps all after it from starting, so that the pod stays Pending unless it has ended.
func (f failing) status(phase corev1.PodPhase, fail func(c corev1.Container, fieldPath string) corev1.ContainerStatus) *corev1.PodStatus {
	status := f.pod.Status.DeepCopy()
	status.InitContainerStatuses, status.ContainerStatuses = nil, nil
	status.HostIP, status.HostIPs = nodeInternalIP, []corev1.HostIP{{IP: nodeInternalIP}}
	if status.StartTime == nil {
		status.StartTime = &f.now
	}
	add := func(to *[]corev1.ContainerStatus, c corev1.Container, s corev1.ContainerStatus) {
		s.Name, s.Image = c.Name, c.Image
		*to = append(*to, s)
	}
	blocked := false
	for _, c := range f.pod.Spec.InitContainers {
		switch {
		case blocked:
			add(&status.InitContainerStatuses, c, corev1.ContainerStatus{State: waiting("PodInitializing", "")})
		case f.culprit(c):
			blocked = true
			add(&status.InitContainerStatuses, c, fail(c, "spec.initContainers{"+c.Name+"}"))
		case c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways:
			add(&status.InitContainerStatuses, c, f.running(c.Name))
		default:
			add(&status.InitContainerStatuses, c, corev1.ContainerStatus{Ready: true, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: f.now, FinishedAt: f.now},
			}})
		}
	}
	var unready []string
	for _, c := range f.pod.Spec.Containers {
		switch {
		case blocked:
			unready = append(unready, c.Name)
			add(&status.ContainerStatuses, c, corev1.ContainerStatus{State: waiting("PodInitializing", "")})
		case f.culprit(c):
			unready = append(unready, c.Name)
			add(&status.ContainerStatuses, c, fail(c, "spec.containers{"+c.Name+"}"))
		default:
			add(&status.ContainerStatuses, c, f.running(c.Name))
		}
	}
	status.Phase = phase
	if blocked && phase == corev1.PodRunning {
		status.Phase = corev1.PodPending
	}
	f.condition(status, corev1.PodInitialized, !blocked, "ContainersNotInitialized", "containers with incomplete status: %s", unready)
	f.condition(status, corev1.ContainersReady, false, "ContainersNotReady", "containers with unready status: %s", unready)
	f.condition(status, corev1.PodReady, false, "ContainersNotReady", "containers with unready status: %s", unready)
	return status
}

// running is the status of a container that does not fail, which it may have had before.
func (f failing) running(container string) corev1.ContainerStatus {
	if last := f.last(container); last.State.Running != nil {
		return last
	}
	yes := true
	return corev1.ContainerStatus{
		Ready: true, Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: f.now}},
	}
}

// condition sets a condition of a pod's status, keeping the time of its last change if it did not change.
func (f failing) condition(status *corev1.PodStatus, kind corev1.PodConditionType, holds bool, reason, message string, containers []string) {
	want := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: f.now}
	if !holds {
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, reason, fmt.Sprintf(message, containers)
	}
	for i, have := range status.Conditions {
		if have.Type != kind {
			continue
		}
		if have.Status == want.Status {
			want.LastTransitionTime = have.LastTransitionTime
		}
		status.Conditions[i] = want
		return
	}
	status.Conditions = append(status.Conditions, want)
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}
