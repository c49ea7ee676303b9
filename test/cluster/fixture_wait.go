package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// fixtureTimeout is far beyond what the fixture takes on a machine that is busy building.
const fixtureTimeout = 2 * time.Minute

// waitForFixture returns when Traefik has its address, and beside a simulated node when that is ready, the system's
// Deployments are available and pods that are told to fail do.
func waitForFixture(ctx context.Context, config *rest.Config, node nodeKind) error {
	client, err := clientAs(config, "testcluster")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fixtureTimeout, fmt.Errorf("not ready after %s", fixtureTimeout))
	defer cancel()

	core, apps := client.CoreV1().RESTClient(), client.AppsV1().RESTClient()
	if err := waitForObject(ctx, core, "services", metav1.NamespaceSystem, "traefik", &corev1.Service{}, serviceHasAddress); err != nil {
		return err
	}
	if node == realNode {
		return nil
	}
	if err := waitForObject(ctx, core, "nodes", "", nodeName, &corev1.Node{}, nodeReady); err != nil {
		return err
	}
	for _, d := range systemDeployments() {
		if err := waitForObject(ctx, apps, "deployments", d.Namespace, d.Name, &appsv1.Deployment{}, deploymentAvailable); err != nil {
			return err
		}
	}
	return waitForBehaviourPolicy(ctx, client)
}

// waitForObject watches one object until a condition holds for it.
func waitForObject[T runtime.Object](
	ctx context.Context, client rest.Interface, resource, namespace, name string, kind T, holds func(T) bool,
) error {
	list := cache.NewListWatchFromClient(client, resource, namespace, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	_, err := watchtools.UntilWithSync(ctx, list, kind, nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		return ok && event.Type != watch.Deleted && holds(object), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s %s: %w", resource, name, err)
	}
	return nil
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func deploymentAvailable(deployment *appsv1.Deployment) bool {
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentAvailable {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func serviceHasAddress(service *corev1.Service) bool {
	return len(service.Status.LoadBalancer.Ingress) > 0
}
