package storekit

import "context"

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

// Cluster reads what stores need to know of the cluster and checks its fitness.
func (c *Client) Cluster(ctx context.Context) (*Cluster, error) { return nil, nil }
