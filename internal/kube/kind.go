package kube

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind of object with what a request needs to know of it.
type Kind struct {
	schema.GroupVersionKind
	Resource   string // plural name in paths
	Namespaced bool
}

// GroupVersionResource is the kind's resource with its group and version.
func (k Kind) GroupVersionResource() schema.GroupVersionResource {
	return k.GroupVersion().WithResource(k.Resource)
}

// KnownKinds are the kinds that need no discovery.
func KnownKinds() []Kind {
	core, apps, batch, networking := corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion, networkingv1.SchemeGroupVersion
	return []Kind{
		{core.WithKind("Namespace"), "namespaces", false},
		{core.WithKind("Node"), "nodes", false},
		{core.WithKind("PersistentVolume"), "persistentvolumes", false},
		{core.WithKind("Pod"), "pods", true},
		{core.WithKind("ResourceQuota"), "resourcequotas", true},
		{core.WithKind("LimitRange"), "limitranges", true},
		{core.WithKind("ServiceAccount"), "serviceaccounts", true},
		{core.WithKind("Secret"), "secrets", true},
		{core.WithKind("ConfigMap"), "configmaps", true},
		{core.WithKind("PersistentVolumeClaim"), "persistentvolumeclaims", true},
		{core.WithKind("Service"), "services", true},
		{apps.WithKind("Deployment"), "deployments", true},
		{apps.WithKind("StatefulSet"), "statefulsets", true},
		{batch.WithKind("Job"), "jobs", true},
		{batch.WithKind("CronJob"), "cronjobs", true},
		{networking.WithKind("NetworkPolicy"), "networkpolicies", true},
		{networking.WithKind("Ingress"), "ingresses", true},
		{networking.WithKind("IngressClass"), "ingressclasses", false},
		{networking.WithKind("ServiceCIDR"), "servicecidrs", false},
		{storagev1.SchemeGroupVersion.WithKind("StorageClass"), "storageclasses", false},
	}
}

// KnownKind returns a kind of [KnownKinds] by its name.
func KnownKind(name string) Kind {
	i := slices.IndexFunc(KnownKinds(), func(k Kind) bool { return k.Kind == name })
	if i < 0 {
		panic("kube: " + name + " is no known kind")
	}
	return KnownKinds()[i]
}

// kindOf returns the kind of an object, by discovery when it is not a known one.
func (c *Cluster) kindOf(gvk schema.GroupVersionKind) (Kind, error) {
	for _, known := range KnownKinds() {
		if known.GroupVersionKind == gvk {
			return known, nil
		}
	}
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return Kind{}, fmt.Errorf("the cluster does not serve %s %s: %w", gvk.GroupVersion(), gvk.Kind, err)
	}
	return Kind{gvk, mapping.Resource.Resource, mapping.Scope.Name() == "namespace"}, nil
}

// Kind returns the kind of objects of that version and name, and whether it is one of [KnownKinds].
func (c *Cluster) Kind(gvk schema.GroupVersionKind) (kind Kind, known bool, err error) {
	kind, err = c.kindOf(gvk)
	return kind, slices.Contains(KnownKinds(), kind), err
}
