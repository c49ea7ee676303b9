package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// newLoadBalancer gives every Service of type LoadBalancer the external address of the node, as k3s's ServiceLB does.
func newLoadBalancer(_ context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "k3s")
	if err != nil {
		return nil, err
	}
	services := factory.Core().V1().Services()

	c := newController("load balancer")
	c.reconcile = func(ctx context.Context, key string) (time.Duration, error) {
		namespace, name, err := cache.SplitMetaNamespaceKey(key)
		if err != nil {
			return 0, err
		}
		service, err := services.Lister().Services(namespace).Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		want := serviceAddress(service)
		if service.DeletionTimestamp != nil || equality.Semantic.DeepEqual(service.Status.LoadBalancer, want) {
			return 0, nil
		}
		service = service.DeepCopy()
		service.Status.LoadBalancer = want
		_, err = client.CoreV1().Services(namespace).UpdateStatus(ctx, service, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("update status of service %s: %w", key, err)
		}
		return 0, nil
	}
	return c, c.watch(services.Informer(), ownKey)
}

// serviceAddress is what the status of a Service has to say about its load balancer.
func serviceAddress(service *corev1.Service) corev1.LoadBalancerStatus {
	// A class asks for another load balancer than the cluster's own.
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.Spec.LoadBalancerClass != nil {
		return corev1.LoadBalancerStatus{}
	}
	mode := corev1.LoadBalancerIPModeVIP
	return corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: nodeExternalIP, IPMode: &mode}}}
}

// newIngressController gives every Ingress of a class that exists the same address, as Traefik does in k3s.
func newIngressController(_ context.Context, config *rest.Config, factory informers.SharedInformerFactory) (*controller, error) {
	client, err := clientAs(config, "traefik")
	if err != nil {
		return nil, err
	}
	ingresses := factory.Networking().V1().Ingresses()
	classes := factory.Networking().V1().IngressClasses()

	c := newController("ingress controller")
	c.reconcile = func(ctx context.Context, key string) (time.Duration, error) {
		namespace, name, err := cache.SplitMetaNamespaceKey(key)
		if err != nil {
			return 0, err
		}
		ingress, err := ingresses.Lister().Ingresses(namespace).Get(name)
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if ingress.Spec.IngressClassName == nil || ingress.DeletionTimestamp != nil {
			return 0, nil
		}
		if _, err := classes.Lister().Get(*ingress.Spec.IngressClassName); err != nil {
			if apierrors.IsNotFound(err) {
				return 0, nil // no controller answers for a class that does not exist
			}
			return 0, err
		}
		want := networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: nodeExternalIP}}}
		if equality.Semantic.DeepEqual(ingress.Status.LoadBalancer, want) {
			return 0, nil
		}
		ingress = ingress.DeepCopy()
		ingress.Status.LoadBalancer = want
		_, err = client.NetworkingV1().Ingresses(namespace).UpdateStatus(ctx, ingress, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("update status of ingress %s: %w", key, err)
		}
		return 0, nil
	}
	if err := c.watch(ingresses.Informer(), ownKey); err != nil {
		return nil, err
	}
	// An Ingress may be older than its class.
	return c, c.watch(classes.Informer(), func(obj any) []string {
		class := obj.(*networkingv1.IngressClass)
		all, err := ingresses.Lister().List(labels.Everything())
		if err != nil {
			return nil // a cache that lists everything has no error to give
		}
		var keys []string
		for _, ingress := range all {
			if ingress.Spec.IngressClassName != nil && *ingress.Spec.IngressClassName == class.Name {
				keys = append(keys, ownKey(ingress)...)
			}
		}
		return keys
	})
}
