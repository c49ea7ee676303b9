package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// StorageClasses lists the storage classes of the cluster.
func (c *Cluster) StorageClasses(ctx context.Context) ([]*storagev1.StorageClass, error) {
	list, err := c.Typed.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list storage classes: %w", err)
	}
	return pointers(list.Items), nil
}

// Survey adds to workloads what they depend on. What the account may not read stays nil.
func (c *Cluster) Survey(ctx context.Context, namespace string, w *Workloads) {
	all := metav1.ListOptions{}
	if list, err := c.Typed.CoreV1().Services(namespace).List(ctx, all); err == nil {
		w.Services = pointers(list.Items)
	}
	if list, err := c.Typed.DiscoveryV1().EndpointSlices(namespace).List(ctx, all); err == nil {
		w.EndpointSlices = pointers(list.Items)
	}
	if list, err := c.Typed.NetworkingV1().Ingresses(namespace).List(ctx, all); err == nil {
		w.Ingresses = pointers(list.Items)
	}
	if list, err := c.Typed.NetworkingV1().IngressClasses().List(ctx, all); err == nil {
		w.IngressClasses = pointers(list.Items)
	}
	if list, err := c.Typed.CoreV1().Nodes().List(ctx, all); err == nil {
		w.Nodes = pointers(list.Items)
	}
	if classes, err := c.StorageClasses(ctx); err == nil {
		w.StorageClasses = classes
	}
}

// Log returns the last lines of a container's log, of its last run or of the one before.
func (c *Cluster) Log(ctx context.Context, namespace, pod string, options corev1.PodLogOptions) (string, error) {
	text, err := c.Typed.CoreV1().Pods(namespace).GetLogs(pod, &options).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("read the log of container %s of pod %s/%s: %w", options.Container, namespace, pod, err)
	}
	return string(text), nil
}

// SecretValues returns every value of the Secrets of a namespace, but for Helm's records.
func (c *Cluster) SecretValues(ctx context.Context, namespace string) ([]string, error) {
	list, err := c.Typed.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermNotEqualSelector("type", "helm.sh/release.v1").String(),
	})
	if err != nil {
		return nil, fmt.Errorf("list secrets of namespace %s: %w", namespace, err)
	}
	var out []string
	for _, secret := range list.Items {
		for _, value := range secret.Data {
			out = append(out, string(value))
		}
	}
	return out, nil
}

// pointers is never nil.
func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
