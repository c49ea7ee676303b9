package main

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// waitsFor is true for a pod whose only container waits for a reason.
func waitsFor(reason string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		statuses := pod.Status.ContainerStatuses
		return len(statuses) == 1 && statuses[0].State.Waiting != nil && statuses[0].State.Waiting.Reason == reason
	}
}

// lastEndedWith is true for a pod whose only container restarts after an end with this code.
func lastEndedWith(code int32, reason string, restarts int32) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		if !waitsFor("CrashLoopBackOff")(pod) {
			return false
		}
		status := pod.Status.ContainerStatuses[0]
		last := status.LastTerminationState.Terminated
		return last != nil && last.ExitCode == code && last.Reason == reason && status.RestartCount >= restarts
	}
}

func isUnschedulable(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Reason == corev1.PodReasonUnschedulable && pod.Status.Phase == corev1.PodPending
		}
	}
	return false
}

func TestDeploymentsMisbehave(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		behaviour behaviour
		want      func(*corev1.Pod) bool
		event     string
	}{
		"NeverPull": {
			reason:    "A wrong image name shows as ImagePullBackOff with a Failed event, on a Pending pod.",
			behaviour: neverPull,
			want: func(pod *corev1.Pod) bool {
				return waitsFor("ImagePullBackOff")(pod) && pod.Status.Phase == corev1.PodPending
			},
			event: "Failed",
		},
		"CrashLoop": {
			reason:    "A container that exits with 1 is restarted more than once, each time counted.",
			behaviour: crashLoop,
			want:      lastEndedWith(1, "Error", 2),
			event:     "BackOff",
		},
		"OutOfMemory": {
			reason:    "A container killed for its memory says so with 137.",
			behaviour: outOfMemory,
			want:      lastEndedWith(137, "OOMKilled", 1),
			event:     "BackOff",
		},
		"Unschedulable": {
			reason:    "The real scheduler finds no node and says why.",
			behaviour: unschedulable,
			want:      isUnschedulable,
			event:     "FailedScheduling",
		},
	}
	for name, tc := range cases {
		for source, setup := range map[string]struct {
			annotations map[string]string
			image       string
		}{
			"ByImage":     {image: "example.com/" + string(tc.behaviour) + ":1"},
			"ByNamespace": {image: "example.com/web:1", annotations: map[string]string{behaviourKey: string(tc.behaviour)}},
		} {
			t.Run(name+source, func(t *testing.T) {
				t.Parallel()
				p := sharedCluster(t)
				namespace := p.namespace(t, setup.annotations)
				if _, err := p.client.AppsV1().Deployments(namespace).Create(t.Context(), deployment(setup.image), create); err != nil {
					t.Fatalf("Create deployment: %v", err)
				}
				t.Log(tc.reason)
				eventually(t, p.client.CoreV1().RESTClient(), "pods", namespace, "", &corev1.Pod{}, tc.want)
				eventually(t, p.client.CoreV1().RESTClient(), "events", namespace, "", &corev1.Event{}, func(e *corev1.Event) bool {
					return e.Reason == tc.event && e.Type == corev1.EventTypeWarning && e.InvolvedObject.Kind == "Pod"
				})

				// The cause goes away: the registry is back, the node has room.
				if setup.annotations == nil {
					return
				}
				_, err := p.client.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType,
					[]byte(`{"metadata":{"annotations":{"`+behaviourKey+`":null}}}`), metav1.PatchOptions{})
				if err != nil {
					t.Fatalf("Take the annotation back: %v", err)
				}
				eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace, "", &appsv1.Deployment{}, deploymentAvailable)
			})
		}
	}
}

func TestJobsFail(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, map[string]string{behaviourKey: string(jobFails)})
	if _, err := p.client.AppsV1().Deployments(namespace).Create(t.Context(), deployment("example.com/web:1"), create); err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	if _, err := p.client.BatchV1().Jobs(namespace).Create(t.Context(), job("example.com/install:1"), create); err != nil {
		t.Fatalf("Create job: %v", err)
	}
	eventually(t, p.client.CoreV1().RESTClient(), "pods", namespace, "job-name=install", &corev1.Pod{}, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodFailed && pod.Status.ContainerStatuses[0].State.Terminated.ExitCode == 1
	})
	eventually(t, p.client.BatchV1().RESTClient(), "jobs", namespace, "", &batchv1.Job{}, func(j *batchv1.Job) bool {
		for _, condition := range j.Status.Conditions {
			if condition.Type == batchv1.JobFailed {
				return condition.Status == corev1.ConditionTrue
			}
		}
		return false
	})
	// Only Jobs were told to fail.
	eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace, "", &appsv1.Deployment{}, deploymentAvailable)
}

func TestRunningPodsStartToCrash(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	if _, err := p.client.AppsV1().Deployments(namespace).Create(t.Context(), deployment("example.com/web:1"), create); err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace, "", &appsv1.Deployment{}, deploymentAvailable)
	_, err := p.client.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"`+behaviourKey+`":"crash-loop"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("Annotate namespace: %v", err)
	}
	eventually(t, p.client.CoreV1().RESTClient(), "pods", namespace, "", &corev1.Pod{}, lastEndedWith(1, "Error", 1))
	eventually(t, p.client.AppsV1().RESTClient(), "deployments", namespace, "", &appsv1.Deployment{}, func(d *appsv1.Deployment) bool {
		return !deploymentAvailable(d)
	})
}

func TestClaimOfNeverBindsStaysPending(t *testing.T) {
	t.Parallel()
	p := sharedCluster(t)
	namespace := p.namespace(t, nil)
	pending := claim("data", neverBindsClass)
	if _, err := p.client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), &pending, create); err != nil {
		t.Fatalf("Create claim: %v", err)
	}
	web := deployment("example.com/web:1")
	web.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}}
	if _, err := p.client.AppsV1().Deployments(namespace).Create(t.Context(), web, create); err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	eventually(t, p.client.CoreV1().RESTClient(), "pods", namespace, "", &corev1.Pod{}, isUnschedulable)
	got, err := p.client.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Get claim: %v", err)
	}
	if got.Status.Phase != corev1.ClaimPending {
		t.Errorf("The claim is %s, want Pending", got.Status.Phase)
	}
}
