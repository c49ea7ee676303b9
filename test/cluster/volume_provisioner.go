package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	// localPathProvisioner provisions volumes in k3s.
	localPathProvisioner = "rancher.io/local-path"
	// selectedNodeAnnotation is how the scheduler tells a provisioner where the first consumer of a claim will run.
	selectedNodeAnnotation = "volume.kubernetes.io/selected-node"
	// provisionedByAnnotation names the provisioner that has to delete a volume.
	provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
)

// newVolumeProvisioner makes a volume for every claim of a class of k3s's local-path provisioner: at once if the class
// binds at once, else when the scheduler has chosen a node. Binding the two is Kubernetes' own work.
func newVolumeProvisioner(_ context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "local-path-provisioner")
	if err != nil {
		return nil, err
	}
	claims := factory.Core().V1().PersistentVolumeClaims()
	classes := factory.Storage().V1().StorageClasses()

	c := newController("volume provisioner")
	c.reconcile = func(ctx context.Context, key string) (time.Duration, error) {
		namespace, name, err := cache.SplitMetaNamespaceKey(key)
		if err != nil {
			return 0, err
		}
		claim, err := claims.Lister().PersistentVolumeClaims(namespace).Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if claim.Spec.StorageClassName == nil {
			return 0, nil
		}
		class, err := classes.Lister().Get(*claim.Spec.StorageClassName)
		if apierrors.IsNotFound(err) {
			return 0, nil // the claim waits for its class
		}
		if err != nil {
			return 0, err
		}
		if !wantsVolume(claim, class) {
			return 0, nil
		}
		_, err = client.CoreV1().PersistentVolumes().Create(ctx, volumeFor(claim, class), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return 0, fmt.Errorf("create volume for claim %s: %w", key, err)
		}
		return 0, nil
	}
	if err := c.watch(claims.Informer(), ownKey); err != nil {
		return nil, err
	}
	// A claim may be older than its class.
	return c, c.watch(classes.Informer(), func(obj any) []string {
		class := obj.(*storagev1.StorageClass)
		all, err := claims.Lister().List(labels.Everything())
		if err != nil {
			return nil // a cache that lists everything has no error to give
		}
		var keys []string
		for _, claim := range all {
			if claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == class.Name {
				keys = append(keys, ownKey(claim)...)
			}
		}
		return keys
	})
}

// newVolumeCollector deletes the volumes whose claim is gone, unless their class retains them.
func newVolumeCollector(_ context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "local-path-provisioner")
	if err != nil {
		return nil, err
	}
	volumes := factory.Core().V1().PersistentVolumes()

	c := newController("volume collector")
	c.reconcile = func(ctx context.Context, name string) (time.Duration, error) {
		volume, err := volumes.Lister().Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		ours := volume.Annotations[provisionedByAnnotation] == localPathProvisioner
		deletes := volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
		if !ours || !deletes || volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil {
			return 0, nil
		}
		err = client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("delete volume %s: %w", name, err)
		}
		return 0, nil
	}
	return c, c.watch(volumes.Informer(), ownKey)
}

// wantsVolume says whether it is time to make a volume for a claim.
func wantsVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) bool {
	if class.Provisioner != localPathProvisioner || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return false
	}
	if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
		return claim.Annotations[selectedNodeAnnotation] != ""
	}
	return true
}

// volumeFor is the volume local-path makes for a claim.
func volumeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	directoryOrCreate := corev1.HostPathDirectoryOrCreate
	policy := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedByAnnotation: localPathProvisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: "/var/lib/rancher/k3s/storage/" + name + "_" + claim.Namespace + "_" + claim.Name,
				Type: &directoryOrCreate,
			}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{nodeName}},
				}}},
			}},
		},
	}
}
