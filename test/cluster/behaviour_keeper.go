package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
)

// newBehaviourKeeper carries a change of heart to the pods that exist: a namespace told to fail makes its running pods
// fail, and one told to stop lets them recover, as they do when a registry comes back.
func newBehaviourKeeper(_ context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "testcluster")
	if err != nil {
		return nil, err
	}
	pods, namespaces, configMaps := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Core().V1().ConfigMaps()

	c := newController("behaviour keeper")
	c.reconcile = func(ctx context.Context, name string) (time.Duration, error) {
		namespace, err := namespaces.Lister().Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		wishes, err := configMaps.Lister().ConfigMaps(metav1.NamespaceSystem).Get(behaviourConfigMap)
		if apierrors.IsNotFound(err) {
			return 0, nil // admission marks nothing either
		}
		if err != nil {
			return 0, err
		}
		wish, wished := wishes.Data[name]
		if !wished {
			wish = namespace.Annotations[behaviourKey]
		}
		all, err := pods.Lister().Pods(name).List(labels.Everything())
		if err != nil {
			return 0, err
		}
		for _, pod := range all {
			switch change, wanted := changeOfMark(pod, behaviour(wish)); change {
			case replacePod:
				err = client.CoreV1().Pods(name).Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
			case markPod:
				_, err = client.CoreV1().Pods(name).Patch(ctx, pod.Name, types.MergePatchType, wanted.patch(), metav1.PatchOptions{})
			}
			if err != nil && !apierrors.IsNotFound(err) {
				return 0, fmt.Errorf("change behaviour of pod %s/%s: %w", name, pod.Name, err)
			}
		}
		return 0, nil
	}
	watches := []error{
		c.watch(namespaces.Informer(), ownKey),
		c.watch(pods.Informer(), func(obj any) []string { return []string{obj.(*corev1.Pod).Namespace} }),
		c.watch(configMaps.Informer(), func(obj any) []string {
			configMap := obj.(*corev1.ConfigMap)
			if configMap.Namespace != metav1.NamespaceSystem || configMap.Name != behaviourConfigMap {
				return nil
			}
			all, err := namespaces.Lister().List(labels.Everything())
			if err != nil {
				return nil // a cache that lists everything has no error to give
			}
			var keys []string
			for _, namespace := range all {
				keys = append(keys, namespace.Name)
			}
			return keys
		}),
	}
	for _, err := range watches {
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// markChange is what has to happen to a pod for it to behave as its namespace says now.
type markChange int

const (
	leavePod markChange = iota
	markPod
	replacePod
)

// changeOfMark decides about one pod and returns the mark it has to carry.
func changeOfMark(pod *corev1.Pod, wish behaviour) (markChange, mark) {
	current, wanted := markOf(pod), wantedMark(pod, wish)
	scheduled, running := pod.Spec.NodeName != "", pod.Status.Phase == corev1.PodRunning
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case current == wanted || ended || pod.DeletionTimestamp != nil:
		return leavePod, wanted
	case current.behaviour == unschedulable && !scheduled:
		// Its node selector cannot be taken back; its owner makes another.
		return replacePod, wanted
	case wanted.behaviour == unschedulable:
		return leavePod, wanted // it has a node, or had a chance to get one
	case wanted.behaviour == neverPull && running:
		return leavePod, wanted // its image is there
	}
	return markPod, wanted
}

// patch is the merge patch that gives a pod this mark.
func (m mark) patch() []byte {
	annotations := map[string]any{behaviourKey: nil, becauseKey: nil}
	if m.behaviour != "" {
		annotations = map[string]any{behaviourKey: m.behaviour, becauseKey: m.because}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		panic(err) // strings and nil always encode
	}
	return data
}
