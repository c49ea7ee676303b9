package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
)

const (
	// nodeName is the name of the one node.
	nodeName = "simulated-1"
	// nodeInternalIP is where the node would be inside its network (TEST-NET-2).
	nodeInternalIP = "198.51.100.10"
	// nodeExternalIP is the node's public address, and with it that of every load balancer and Ingress (TEST-NET-1).
	nodeExternalIP = "192.0.2.10"
	// kwokNodeAnnotation marks the nodes that kwok simulates.
	kwokNodeAnnotation = "kwok.x-k8s.io/node"
	// neverBindsClass is a storage class whose claims stay Pending, because nobody provisions for it.
	neverBindsClass = "never-binds"
)

// createFixture makes what a k3s server has when it is a minute old. A real node brings itself, and what runs on it.
func createFixture(ctx context.Context, config *rest.Config, node nodeKind) error {
	client, err := clientAs(config, "k3s")
	if err != nil {
		return err
	}
	core, apps := client.CoreV1(), client.AppsV1()
	options := metav1.CreateOptions{}

	type step struct {
		what   string
		create func() error
	}
	steps := []step{
		// Also created by the API server itself, whoever comes first.
		{"namespace kube-system", func() error {
			_, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem}}, options)
			return err
		}},
	}
	if node == simulatedNode {
		steps = append(steps,
			step{"node", func() error { _, err := core.Nodes().Create(ctx, newSimulatedNode(), options); return err }},
			step{"behaviour of pods", func() error { return createBehaviourPolicy(ctx, client) }},
		)
		for _, deployment := range systemDeployments() {
			steps = append(steps, step{"deployment " + deployment.Name, func() error {
				_, err := apps.Deployments(metav1.NamespaceSystem).Create(ctx, deployment, options)
				return err
			}})
		}
	}
	for _, class := range storageClasses() {
		steps = append(steps, step{"storage class " + class.Name, func() error { _, err := client.StorageV1().StorageClasses().Create(ctx, class, options); return err }})
	}
	steps = append(steps, step{"ingress class traefik", func() error {
		_, err := client.NetworkingV1().IngressClasses().Create(ctx, traefikClass(), options)
		return err
	}})
	for _, service := range systemServices() {
		steps = append(steps, step{"service " + service.Name, func() error {
			_, err := core.Services(metav1.NamespaceSystem).Create(ctx, service, options)
			return err
		}})
	}
	for _, s := range steps {
		if err := s.create(); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create %s: %w", s.what, err)
		}
	}
	return nil
}

// newSimulatedNode is a node of a size that no test fills by accident.
func newSimulatedNode() *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourcePods:             resource.MustParse("1000"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName,
			Labels: map[string]string{
				corev1.LabelHostname:                    nodeName,
				corev1.LabelOSStable:                    "linux",
				corev1.LabelArchStable:                  "amd64",
				corev1.LabelInstanceTypeStable:          "k3s",
				"node-role.kubernetes.io/control-plane": "true",
			},
			Annotations: map[string]string{kwokNodeAnnotation: "fake"},
		},
		Spec: corev1.NodeSpec{PodCIDR: podCIDR, PodCIDRs: []string{podCIDR}, ProviderID: "k3s://" + nodeName},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeInternalIP},
				{Type: corev1.NodeExternalIP, Address: nodeExternalIP},
				{Type: corev1.NodeHostName, Address: nodeName},
			},
			Capacity:    capacity,
			Allocatable: capacity,
			NodeInfo: corev1.NodeSystemInfo{
				OperatingSystem: "linux", Architecture: "amd64", KubeletVersion: kubernetesVersion, OSImage: "simulated by kwok",
			},
		},
	}
}

// storageClasses are the one of k3s and one that fails.
func storageClasses() []*storagev1.StorageClass {
	deletes := corev1.PersistentVolumeReclaimDelete
	first, immediate := storagev1.VolumeBindingWaitForFirstConsumer, storagev1.VolumeBindingImmediate
	return []*storagev1.StorageClass{
		{
			ObjectMeta: metav1.ObjectMeta{
				Name:        "local-path",
				Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
			},
			Provisioner: localPathProvisioner, ReclaimPolicy: &deletes, VolumeBindingMode: &first,
		},
		{
			// Immediate, so that the scheduler says what a pod with such a claim waits for.
			ObjectMeta:  metav1.ObjectMeta{Name: neverBindsClass},
			Provisioner: "testcluster.storeplatform.io/none", ReclaimPolicy: &deletes, VolumeBindingMode: &immediate,
		},
	}
}

// traefikClass is the ingress class of k3s's Traefik chart, which makes it the default.
func traefikClass() *networkingv1.IngressClass {
	return &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: "traefik", Labels: traefikLabels(),
			Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"},
		},
		Spec: networkingv1.IngressClassSpec{Controller: "traefik.io/ingress-controller"},
	}
}

// traefikLabels are on everything of k3s's Traefik chart; the pods carry the first two as their selector.
func traefikLabels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":       "traefik",
		"app.kubernetes.io/instance":   "traefik-" + metav1.NamespaceSystem,
		"app.kubernetes.io/managed-by": "Helm",
	}
}

func traefikSelector() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "traefik", "app.kubernetes.io/instance": "traefik-" + metav1.NamespaceSystem}
}

// systemDeployments are what k3s runs in kube-system, with its labels and ports. Images carry the reference for show:
// nothing pulls them.
func systemDeployments() []*appsv1.Deployment {
	return []*appsv1.Deployment{
		systemDeployment("traefik", traefikLabels(), traefikSelector(), corev1.Container{
			Name: "traefik", Image: "rancher/mirrored-library-traefik:3.6.12",
			Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8000}, {Name: "websecure", ContainerPort: 8443}},
		}),
		systemDeployment("coredns", map[string]string{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
			map[string]string{"k8s-app": "kube-dns"}, corev1.Container{
				Name: "coredns", Image: "rancher/mirrored-coredns-coredns:1.15.0",
				Ports: []corev1.ContainerPort{
					{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
					{Name: "dns-tcp", ContainerPort: 53, Protocol: corev1.ProtocolTCP},
				},
			}),
		systemDeployment("local-path-provisioner", map[string]string{"app": "local-path-provisioner"},
			map[string]string{"app": "local-path-provisioner"}, corev1.Container{
				Name: "local-path-provisioner", Image: "rancher/local-path-provisioner:v0.0.30",
			}),
	}
}

func systemDeployment(name string, labels, selector map[string]string, container corev1.Container) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceSystem, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
			},
		},
	}
}

func systemServices() []*corev1.Service {
	return []*corev1.Service{
		{
			ObjectMeta: metav1.ObjectMeta{Name: "traefik", Namespace: metav1.NamespaceSystem, Labels: traefikLabels()},
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeLoadBalancer, Selector: traefikSelector(),
				Ports: []corev1.ServicePort{
					{Name: "web", Port: 80, TargetPort: intstr.FromString("web")},
					{Name: "websecure", Port: 443, TargetPort: intstr.FromString("websecure")},
				},
			},
		},
		{
			ObjectMeta: metav1.ObjectMeta{
				Name: "kube-dns", Namespace: metav1.NamespaceSystem,
				Labels: map[string]string{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS", "kubernetes.io/cluster-service": "true"},
			},
			Spec: corev1.ServiceSpec{
				ClusterIP: dnsServiceIP, Selector: map[string]string{"k8s-app": "kube-dns"},
				Ports: []corev1.ServicePort{
					{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(53)},
					{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(53)},
				},
			},
		},
	}
}
