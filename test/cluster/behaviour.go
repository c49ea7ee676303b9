package main

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// behaviour is how a pod fails.
type behaviour string

// The behaviours a pod can be told to show.
const (
	// neverPull: the image cannot be pulled, the pod stays Pending.
	neverPull behaviour = "never-pull"
	// crashLoop: the container exits with 1, again and again.
	crashLoop behaviour = "crash-loop"
	// outOfMemory: the container is killed for its memory, again and again.
	outOfMemory behaviour = "oom"
	// jobFails: the pod of a Job ends with exit code 1; other pods are not affected.
	jobFails behaviour = "job-fails"
	// unschedulable: no node fits the pod.
	unschedulable behaviour = "unschedulable"
)

// behaviours are all of them, in the order in which images are looked at.
var behaviours = []behaviour{neverPull, crashLoop, outOfMemory, jobFails, unschedulable}

const (
	// behaviourKey is the annotation that says how pods fail: on a namespace for every pod in it, and on a pod as the
	// mark that admission has left there. The stages name it too.
	behaviourKey = "testcluster.storeplatform.io/pods"
	// becauseKey is the annotation of a marked pod that says what asked for it.
	becauseKey       = "testcluster.storeplatform.io/because"
	becauseImage     = "image"
	becauseNamespace = "namespace"
	// probeKey is the annotation of a pod that is to be treated as if it were in another namespace. With it a dry run shows
	// whether a change of the ConfigMap has reached admission, before that namespace exists.
	probeKey = "testcluster.storeplatform.io/probe"
	// nowhereKey is the node selector that no node satisfies.
	nowhereKey = "testcluster.storeplatform.io/nowhere"
	// behaviourConfigMap in kube-system says how pods fail in namespaces that do not exist yet: namespace -> behaviour.
	behaviourConfigMap = "testcluster"
)

// mark is what admission leaves on a pod.
type mark struct {
	behaviour behaviour
	because   string
}

// markOf returns the mark a pod carries.
func markOf(pod *corev1.Pod) mark {
	return mark{behaviour: behaviour(pod.Annotations[behaviourKey]), because: pod.Annotations[becauseKey]}
}

// wantedMark is the mark the policy would give a pod now: the same decision, for pods that exist.
func wantedMark(pod *corev1.Pod, wish behaviour) mark {
	wanted := mark{behaviour: wish, because: becauseNamespace}
	if wish == "" {
		wanted = imageMark(pod)
	}
	if wanted.behaviour == jobFails && !ofJob(pod) {
		return mark{}
	}
	return wanted
}

// imageMark is what the images of a pod ask for.
func imageMark(pod *corev1.Pod) mark {
	for _, b := range behaviours {
		for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
			for _, container := range containers {
				if b.named(container.Image) {
					return mark{behaviour: b, because: becauseImage}
				}
			}
		}
	}
	return mark{}
}

// named says whether an image is named after a behaviour.
func (b behaviour) named(image string) bool { return strings.Contains(image, "/"+string(b)) }

func ofJob(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "Job"
}
