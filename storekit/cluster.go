package storekit

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
)

// Cluster is what stores need to know of a cluster, and whether it is fit for them.
type Cluster struct {
	UID            string // of the kube-system namespace
	Server         string // address of the API server
	Version        string // "v1.37.2"
	Nodes          []Node
	StorageClasses []StorageClass
	IngressClasses []IngressClass
	IngressClass   string   // that stores use
	Addresses      []string // where DNS records of stores must point
	GatewayAPI     bool
	CertManager    bool
	Checks         []Check
}

// Node is a node of the cluster.
type Node struct {
	Name      string
	Ready     bool
	CPU       string // allocatable, in cores
	Memory    string // allocatable, in bytes
	Addresses []string
	Version   string // of the kubelet
}

// StorageClass is a class of volumes.
type StorageClass struct {
	Name        string
	Provisioner string
	Default     bool
	Expandable  bool
}

// IngressClass is a class of ingresses.
type IngressClass struct {
	Name       string
	Controller string
	Default    bool
}

// Check is one finding about a cluster's fitness.
type Check struct {
	Name    string // stable, for example "default-storage-class"
	Status  string // "pass", "warn" or "fail"
	Message string
	Fix     string // what to do; empty when it passes
}

// Statuses of a check.
const (
	CheckPass = "pass"
	CheckWarn = "warn"
	CheckFail = "fail"
)

// Cluster reads what stores need to know of the cluster and checks its fitness.
func (c *Client) Cluster(ctx context.Context) (*Cluster, error) {
	env, err := c.environment(ctx)
	if err != nil {
		return nil, err
	}
	version, err := c.kube.Typed.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read the version of the cluster: %w", err)
	}
	groups, err := c.kube.Discovery.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("read the API groups of the cluster: %w", err)
	}
	classes, err := listOf[storagev1.StorageClass](ctx, c.kube, kube.Query{Kind: kube.KnownKind("StorageClass")})
	if err != nil {
		return nil, err
	}
	out := &Cluster{
		UID: env.uid, Server: c.kube.Config.Host, Version: version.GitVersion, IngressClass: env.IngressClass,
		GatewayAPI: serves(groups, "gateway.networking.k8s.io"), CertManager: serves(groups, "cert-manager.io"),
	}
	for _, node := range env.nodes {
		out.Nodes = append(out.Nodes, nodeOf(node))
	}
	for _, class := range classes {
		out.StorageClasses = append(out.StorageClasses, StorageClass{
			Name: class.Name, Provisioner: class.Provisioner, Default: defaultClass(class.Annotations, "storageclass.kubernetes.io/is-default-class"),
			Expandable: class.AllowVolumeExpansion != nil && *class.AllowVolumeExpansion,
		})
	}
	for _, class := range env.ingressClasses {
		out.IngressClasses = append(out.IngressClasses, IngressClass{
			Name: class.Name, Controller: class.Spec.Controller, Default: defaultClass(class.Annotations, "ingressclass.kubernetes.io/is-default-class"),
		})
	}
	for _, address := range env.addresses {
		out.Addresses = append(out.Addresses, address.String())
	}
	out.Checks = out.check(env.IngressPods != nil)
	return out, nil
}

func serves(groups *metav1.APIGroupList, name string) bool {
	return slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == name })
}

func nodeOf(node corev1.Node) Node {
	out := Node{
		Name: node.Name, CPU: node.Status.Allocatable.Cpu().String(), Memory: node.Status.Allocatable.Memory().String(),
		Version: node.Status.NodeInfo.KubeletVersion,
	}
	for _, address := range nodeAddresses(node, corev1.NodeInternalIP, corev1.NodeExternalIP) {
		out.Addresses = append(out.Addresses, address.String())
	}
	out.Ready = slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return out
}

// minVersion is the oldest Kubernetes that is supported: the first whose validating admission policies are stable.
const minVersion = "1.30.0"

// check judges the cluster.
func (c *Cluster) check(ingressPods bool) []Check {
	version, err := utilversion.ParseGeneric(c.Version)
	old := err != nil || version.LessThan(utilversion.MustParseGeneric(minVersion))
	ready := slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Ready })
	class := slices.ContainsFunc(c.StorageClasses, func(s StorageClass) bool { return s.Default })
	local := slices.ContainsFunc(c.StorageClasses, func(s StorageClass) bool { return s.Default && s.Provisioner == "rancher.io/local-path" })
	return []Check{
		verdict("kubernetes-version", !old, CheckFail, "Kubernetes "+c.Version, "Upgrade Kubernetes to "+minVersion+" or newer."),
		verdict("nodes-ready", ready, CheckFail, fmt.Sprintf("%d nodes, at least one ready: %t", len(c.Nodes), ready),
			"Start a node, or see kubectl describe nodes for why none is ready."),
		verdict("default-storage-class", class, CheckFail, fmt.Sprintf("%d storage classes, a default one: %t", len(c.StorageClasses), class),
			"Mark a StorageClass as default, or set storage.class on each store."),
		verdict("volume-sizes", !local, CheckWarn, fmt.Sprintf("sizes of volumes are enforced: %t", !local),
			"Watch the node's disk, or use a class that enforces sizes, such as Longhorn or TopoLVM."),
		verdict("ingress-class", c.IngressClass != "", CheckFail, "ingress class \""+c.IngressClass+"\"",
			"Install an ingress controller, mark its IngressClass as default, or set ingress_class on the provider."),
		verdict("ingress-controller", ingressPods, CheckWarn, fmt.Sprintf("pods of the ingress controller are known: %t", ingressPods),
			"Stores admit traffic from the controller's pods. With a controller on the host network they admit the nodes' addresses instead."),
		verdict("addresses", len(c.Addresses) > 0, CheckFail, fmt.Sprintf("addresses for DNS records: %v", c.Addresses),
			"Give the ingress controller's Service or the node an address."),
		verdict("cert-manager", c.CertManager, CheckWarn, fmt.Sprintf("cert-manager is installed: %t", c.CertManager),
			"Install cert-manager 1.19.6, 1.20.3, 1.21 or newer for certificates; older ones have GHSA-8rvj-mm4h-c258."),
	}
}

func verdict(name string, good bool, otherwise, message, fix string) Check {
	if good {
		return Check{Name: name, Status: CheckPass, Message: message}
	}
	return Check{Name: name, Status: otherwise, Message: message, Fix: fix}
}
