package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// systemFiles are what k3s runs in kube-system, with its names, labels and ports. The Services are test/cluster's.
//
//go:embed system
var systemFiles embed.FS

// systemTimeout bounds the wait for the node and what runs on it.
const systemTimeout = 3 * time.Minute

// waitForSystem creates what runs in kube-system and returns when it works.
func (n *node) waitForSystem() error {
	config, err := clientcmd.BuildConfigFromFlags("", n.plane.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.UserAgent, config.QPS = "k3s", -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	for _, file := range []string{"coredns", "local-path-provisioner", "traefik"} {
		if err := create(n.ctx, objects, mapper, "system/"+file+".yaml"); err != nil {
			return err
		}
	}
	return n.await(systemTimeout, func() error { return systemReady(n.ctx, client) })
}

// create makes every object of a file.
func create(ctx context.Context, client dynamic.Interface, mapper *restmapper.DeferredDiscoveryRESTMapper, path string) error {
	file, err := systemFiles.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := new(unstructured.Unstructured)
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("find kind of %s in %s: %w", object.GetName(), path, err)
		}
		_, err = client.Resource(mapping.Resource).Namespace(object.GetNamespace()).Create(ctx, object, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
}

// systemReady says what is not ready yet.
func systemReady(ctx context.Context, client kubernetes.Interface) error {
	node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return fmt.Errorf("node %s: %s", nodeName, condition.Message)
		}
	}
	deployments, err := client.AppsV1().Deployments(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, deployment := range deployments.Items {
		if !available(deployment) {
			return errors.Join(fmt.Errorf("deployment %s is not available", deployment.Name), podTroubles(ctx, client))
		}
	}
	return nil
}

func available(deployment appsv1.Deployment) bool {
	return deployment.Status.ObservedGeneration == deployment.Generation && deployment.Status.AvailableReplicas > 0
}

// podTroubles lists what the pods of kube-system wait for.
func podTroubles(ctx context.Context, client kubernetes.Interface) error {
	pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var errs []error
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if waiting := status.State.Waiting; waiting != nil {
				errs = append(errs, fmt.Errorf("pod %s: %s %s", pod.Name, waiting.Reason, waiting.Message))
			}
		}
	}
	return errors.Join(errs...)
}
