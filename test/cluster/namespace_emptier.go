package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"
)

// newNamespaceEmptier deletes what is in a deleted namespace with the code of Kubernetes' own namespace controller. That
// controller waits five seconds before it begins, for the sake of several API servers, and half the grace period of the
// pods between two looks; here nothing needs either, and tests delete many namespaces.
func newNamespaceEmptier(ctx context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	// Its writes are the namespace controller's, which is a part of the controller manager.
	config = configAs(config, controllerManagerComponent)
	client, err := clientAs(config, controllerManagerComponent)
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create metadata client: %w", err)
	}
	deleter := deletion.NewNamespacedResourcesDeleter(ctx, client.CoreV1().Namespaces(), metadataClient, client.CoreV1(),
		client.Discovery().ServerPreferredNamespacedResources, corev1.FinalizerKubernetes)

	c := newController("namespace emptier")
	c.reconcile = func(ctx context.Context, name string) (time.Duration, error) {
		// The objects that remain wait for others: pods for the simulated kubelet, claims for the pods.
		const nextLook = 200 * time.Millisecond
		err := deleter.Delete(ctx, name)
		var remaining *deletion.ResourcesRemainingError
		if errors.As(err, &remaining) {
			return nextLook, nil
		}
		return 0, err
	}
	return c, c.watch(factory.Core().V1().Namespaces().Informer(), func(obj any) []string {
		namespace := obj.(*corev1.Namespace)
		if namespace.DeletionTimestamp == nil {
			return nil
		}
		return []string{namespace.Name}
	})
}
