package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNextFailure(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	always := corev1.ContainerRestartPolicyAlways
	crashed := func(restarts int32, ago time.Duration) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{
			Name: "web", RestartCount: restarts, State: waiting("CrashLoopBackOff", ""),
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: metav1.NewTime(now.Add(-ago))}},
		}}
	}
	// What a reader of pods goes by, in short.
	type want struct {
		phase  corev1.PodPhase
		states map[string]string
		again  time.Duration
	}
	cases := map[string]struct {
		reason string
		mark   mark
		change func(*corev1.Pod)
		want   want
	}{
		"Unmarked": {
			reason: "Healthy pods are kwok's.",
		},
		"NotScheduled": {
			reason: "A pod without a node has no kubelet.",
			mark:   mark{crashLoop, becauseNamespace},
			change: func(p *corev1.Pod) { p.Spec.NodeName = "" },
		},
		"OnlyTheNamedImage": {
			reason: "A sidecar with a good image runs beside the one that cannot be pulled.",
			mark:   mark{neverPull, becauseImage},
			want: want{phase: corev1.PodPending, states: map[string]string{
				"wait": "Completed", "proxy": "running", "web": "running", "broken": "ImagePullBackOff",
			}},
		},
		"NamespaceStopsAtInit": {
			reason: "When nothing can be pulled, the first init container is what is seen.",
			mark:   mark{neverPull, becauseNamespace},
			want: want{phase: corev1.PodPending, states: map[string]string{
				"wait": "ImagePullBackOff", "proxy": "PodInitializing", "web": "PodInitializing", "broken": "PodInitializing",
			}},
		},
		"PulledBefore": {
			reason: "A running container needs no image any more.",
			mark:   mark{neverPull, becauseNamespace},
			change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning },
		},
		"FirstCrash": {
			reason: "The first restart waits two seconds.",
			mark:   mark{outOfMemory, becauseNamespace},
			change: func(p *corev1.Pod) { p.Spec.InitContainers = nil },
			want: want{phase: corev1.PodRunning, again: 2 * time.Second, states: map[string]string{
				"web": "CrashLoopBackOff", "broken": "CrashLoopBackOff",
			}},
		},
		"CrashNotDue": {
			reason: "Until the wait is over nothing is reported.",
			mark:   mark{crashLoop, becauseNamespace},
			change: func(p *corev1.Pod) {
				p.Spec.InitContainers = nil
				p.Status.ContainerStatuses = crashed(2, time.Second)
			},
			want: want{again: 3 * time.Second},
		},
		"CrashDue": {
			reason: "Then it crashes again, and waits twice as long.",
			mark:   mark{crashLoop, becauseNamespace},
			change: func(p *corev1.Pod) {
				p.Spec.InitContainers, p.Spec.Containers = nil, p.Spec.Containers[:1]
				p.Status.ContainerStatuses = crashed(2, 4*time.Second)
			},
			want: want{phase: corev1.PodRunning, again: 8 * time.Second, states: map[string]string{"web": "CrashLoopBackOff"}},
		},
		"NoRestart": {
			reason: "The pod of a Job with restartPolicy Never fails for good.",
			mark:   mark{jobFails, becauseNamespace},
			change: func(p *corev1.Pod) {
				p.Spec.InitContainers = nil
				p.Spec.RestartPolicy = corev1.RestartPolicyNever
			},
			want: want{phase: corev1.PodFailed, states: map[string]string{"web": "Error", "broken": "Error"}},
		},
		"Ended": {
			reason: "What has failed stays failed.",
			mark:   mark{jobFails, becauseNamespace},
			change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "store"},
				Spec: corev1.PodSpec{
					NodeName: nodeName, RestartPolicy: corev1.RestartPolicyAlways,
					InitContainers: []corev1.Container{
						{Name: "wait", Image: "example.com/wait:1"},
						{Name: "proxy", Image: "example.com/proxy:1", RestartPolicy: &always},
					},
					Containers: []corev1.Container{
						{Name: "web", Image: "example.com/web:1"},
						{Name: "broken", Image: "example.com/never-pull:1"},
					},
				},
				Status: corev1.PodStatus{Phase: corev1.PodPending},
			}
			if tc.mark.behaviour != "" {
				pod.Annotations = map[string]string{behaviourKey: string(tc.mark.behaviour), becauseKey: tc.mark.because}
			}
			if tc.change != nil {
				tc.change(pod)
			}
			next := nextFailure(pod, now)
			got := want{again: next.again}
			if next.status != nil {
				got.phase, got.states = next.status.Phase, map[string]string{}
				for _, s := range append(next.status.InitContainerStatuses, next.status.ContainerStatuses...) {
					got.states[s.Name] = shortState(s.State)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func shortState(state corev1.ContainerState) string {
	switch {
	case state.Waiting != nil:
		return state.Waiting.Reason
	case state.Terminated != nil:
		return state.Terminated.Reason
	}
	return "running"
}

func TestChangeOfMark(t *testing.T) {
	pod := func(phase corev1.PodPhase, node string, m mark) *corev1.Pod {
		p := &corev1.Pod{
			Spec:   corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Image: "example.com/web:1"}}},
			Status: corev1.PodStatus{Phase: phase},
		}
		if m.behaviour != "" {
			p.Annotations = map[string]string{behaviourKey: string(m.behaviour), becauseKey: m.because}
		}
		return p
	}
	asked := func(b behaviour) mark { return mark{b, becauseNamespace} }
	cases := map[string]struct {
		reason string
		pod    *corev1.Pod
		wish   behaviour
		want   markChange
	}{
		"Content":       {"Nothing to change.", pod(corev1.PodRunning, nodeName, mark{}), "", leavePod},
		"StartsToCrash": {"An outage begins.", pod(corev1.PodRunning, nodeName, mark{}), crashLoop, markPod},
		"Recovers":      {"An outage ends.", pod(corev1.PodRunning, nodeName, asked(crashLoop)), "", markPod},
		"Another":       {"One failure after another.", pod(corev1.PodRunning, nodeName, asked(crashLoop)), outOfMemory, markPod},
		"Pulled":        {"A running pod has its image.", pod(corev1.PodRunning, nodeName, mark{}), neverPull, leavePod},
		"Room":          {"A pod that was kept from the node is made again.", pod(corev1.PodPending, "", asked(unschedulable)), "", replacePod},
		"HasNode":       {"A pod on a node stays there.", pod(corev1.PodRunning, nodeName, mark{}), unschedulable, leavePod},
		"Ended":         {"The dead do not change.", pod(corev1.PodFailed, nodeName, asked(crashLoop)), "", leavePod},
		"NoJob":         {"Only Jobs are told to fail.", pod(corev1.PodRunning, nodeName, mark{}), jobFails, leavePod},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, _ := changeOfMark(tc.pod, tc.wish); got != tc.want {
				t.Errorf("%s Got change %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}
