package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// newFailingKubelet reports the status and the events of pods that are marked to fail, which kwok's stages leave alone.
func newFailingKubelet(ctx context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "kubelet")
	if err != nil {
		return nil, err
	}
	pods := factory.Core().V1().Pods()
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: nodeName})

	c := newController("failing kubelet")
	c.reconcile = func(ctx context.Context, key string) (time.Duration, error) {
		namespace, name, err := cache.SplitMetaNamespaceKey(key)
		if err != nil {
			return 0, err
		}
		pod, err := pods.Lister().Pods(namespace).Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		next := nextFailure(pod, time.Now())
		if next.status == nil {
			return next.again, nil
		}
		pod = pod.DeepCopy()
		pod.Status = *next.status
		if _, err := client.CoreV1().Pods(namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return 0, nil
			}
			return 0, fmt.Errorf("update status of pod %s: %w", key, err)
		}
		for _, e := range next.events {
			recorder.Event(&corev1.ObjectReference{
				APIVersion: "v1", Kind: "Pod", Namespace: namespace, Name: name, UID: pod.UID,
				ResourceVersion: pod.ResourceVersion, FieldPath: e.fieldPath,
			}, e.kind, e.reason, e.message)
		}
		return next.again, nil
	}
	return c, c.watch(pods.Informer(), ownKey)
}
