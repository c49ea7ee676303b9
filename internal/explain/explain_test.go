package explain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
)

func pod(change func(*corev1.Pod)) explain.Workloads {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "store-acme"}}
	p.Spec.Containers = []corev1.Container{{Name: "web", Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}}}
	change(p)
	return explain.Workloads{Pods: []*corev1.Pod{p}}
}

func waiting(reason, message string) explain.Workloads {
	return pod(func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", Image: "web:1", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
		}}}
	})
}

func event(kind, name, reason, message string) *corev1.Event {
	return &corev1.Event{
		Type: corev1.EventTypeWarning, Reason: reason, Message: message,
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name},
	}
}

func TestCauses(t *testing.T) {
	type cause struct{ Code, Object, Message, Evidence string }
	for name, tc := range map[string]struct {
		reason string
		in     explain.Workloads
		want   []cause
	}{
		"nothing":    {"nothing is wrong with nothing", explain.Workloads{}, nil},
		"on its way": {"a container that is being created needs time, not advice", waiting("ContainerCreating", ""), nil},
		"image": {"the image is named", waiting("ImagePullBackOff", "back-off"),
			[]cause{{explain.ImagePull, "Pod/web-1", "image web:1 of container web cannot be pulled", "ImagePullBackOff: back-off"}}},
		"missing key": {"a Secret key that is not there", waiting("CreateContainerConfigError", "couldn't find key smtp"),
			[]cause{{explain.BadConfig, "Pod/web-1", "container web cannot start", "CreateContainerConfigError: couldn't find key smtp"}}},
		"memory": {"the limit stands beside the kill", pod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", RestartCount: 3, LastTerminationState: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137},
			}}}
		}), []cause{{explain.OutOfMemory, "Pod/web-1", "container web was killed: it used more memory than its limit of 512Mi", "OOMKilled, exit code 137, 3 restarts"}}},
		"scheduler": {"the scheduler's own words", pod(func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes: Insufficient memory"}}
		}), []cause{{explain.Unschedulable, "Pod/web-1", "no node takes the pod", "0/1 nodes: Insufficient memory"}}},
		"quota of a deployment": {"a quota refuses pods of a Deployment in its condition", explain.Workloads{Deployments: []*appsv1.Deployment{{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Status:     appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: services"}}},
		}}}, []cause{{explain.PodsRejected, "Deployment/web", "its pods are refused", "exceeded quota: services"}}},
		"quota of a stateful set": {"a StatefulSet has no such condition: its events tell", explain.Workloads{
			StatefulSets: []*appsv1.StatefulSet{{ObjectMeta: metav1.ObjectMeta{Name: "database"}}},
			Events:       []*corev1.Event{event("StatefulSet", "database", "FailedCreate", "exceeded quota: services")},
		}, []cause{{explain.PodsRejected, "StatefulSet/database", "its pods are refused", "exceeded quota: services"}}},
		"job": {"a Job that gave up", explain.Workloads{Jobs: []*batchv1.Job{{
			ObjectMeta: metav1.ObjectMeta{Name: "install"},
			Status:     batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Message: "backoff limit"}}},
		}}}, []cause{{explain.JobFailed, "Job/install", "the job failed", "backoff limit"}}},
		"claim": {"a claim whose provisioner complains", explain.Workloads{
			Claims: []*corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "content"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}},
			Events: []*corev1.Event{event("PersistentVolumeClaim", "content", "ProvisioningFailed", "storageclass not found")},
		}, []cause{{explain.ClaimUnbound, "PersistentVolumeClaim/content", "the volume is not provisioned", "storageclass not found"}}},
		"claim that waits": {"a claim that waits for its pod is fine", explain.Workloads{
			Claims: []*corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "content"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}},
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []cause
			for _, c := range explain.Causes(tc.in) {
				got = append(got, cause{c.Code, c.Object.String(), c.Message, c.Evidence})
				if c.Fix == "" {
					t.Errorf("%s: no advice", tc.reason)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}
