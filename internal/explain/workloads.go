package explain

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Workloads is what runs in a namespace, what is said about it, and what it depends on.
type Workloads struct {
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	DaemonSets   []*appsv1.DaemonSet
	ReplicaSets  []*appsv1.ReplicaSet
	Jobs         []*batchv1.Job
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Events       []*corev1.Event

	// Of what follows a list is nil where it was not read: nothing is said about it then.
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	Ingresses      []*networkingv1.Ingress
	IngressClasses []*networkingv1.IngressClass
	StorageClasses []*storagev1.StorageClass
	Nodes          []*corev1.Node
}

// revision is the annotation that ties a Deployment to its current ReplicaSet.
const revision = "deployment.kubernetes.io/revision"

// Of returns what belongs to the awaited workloads, named "Kind/name", as they are now: not what others run beside them, not runs
// of CronJobs, not pods of a revision that was replaced, which may stay broken until the new one is ready. Every pod that ends stays:
// it holds a share of the quota.
func (w Workloads) Of(awaited func(key string) bool) Workloads {
	out := w
	out.Deployments, out.StatefulSets, out.DaemonSets, out.ReplicaSets, out.Jobs, out.Pods, out.Claims = nil, nil, nil, nil, nil, nil, nil
	owners := make(map[string]bool)
	revisions := make(map[string]string)
	for _, d := range w.Deployments {
		if awaited("Deployment/"+d.Name) && d.Status.ObservedGeneration >= d.Generation {
			out.Deployments = append(out.Deployments, d)
			revisions[d.Name] = d.Annotations[revision]
		}
	}
	for _, s := range w.StatefulSets {
		if awaited("StatefulSet/"+s.Name) && s.Status.ObservedGeneration >= s.Generation {
			out.StatefulSets = append(out.StatefulSets, s)
			owners["StatefulSet/"+s.Name] = true
		}
	}
	for _, d := range w.DaemonSets {
		if awaited("DaemonSet/"+d.Name) && d.Status.ObservedGeneration >= d.Generation {
			out.DaemonSets = append(out.DaemonSets, d)
			owners["DaemonSet/"+d.Name] = true
		}
	}
	for _, j := range w.Jobs {
		if awaited("Job/" + j.Name) {
			out.Jobs = append(out.Jobs, j)
			owners["Job/"+j.Name] = true
		}
	}
	for _, r := range w.ReplicaSets {
		owner := metav1.GetControllerOf(r)
		if owner == nil || owner.Kind != "Deployment" {
			continue
		}
		if current, known := revisions[owner.Name]; known && r.Annotations[revision] == current {
			out.ReplicaSets = append(out.ReplicaSets, r)
			owners["ReplicaSet/"+r.Name] = true
		}
	}
	mounted := make(map[string]bool)
	for _, p := range w.Pods {
		owner := metav1.GetControllerOf(p)
		if p.DeletionTimestamp == nil && (owner == nil || !owners[owner.Kind+"/"+owner.Name]) {
			continue
		}
		out.Pods = append(out.Pods, p)
		for _, volume := range p.Spec.Volumes {
			if volume.PersistentVolumeClaim != nil {
				mounted[volume.PersistentVolumeClaim.ClaimName] = true
			}
		}
	}
	for _, c := range w.Claims {
		if mounted[c.Name] {
			out.Claims = append(out.Claims, c)
		}
	}
	return out
}
