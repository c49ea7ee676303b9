package storekit

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/dns"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
)

// Client is a connection to a cluster. One per process is enough; it is safe for concurrent use.
type Client struct {
	options clientOptions
	kube    *kube.Cluster
	helm    *release.Engine
	ledger  *ledger.Ledger
	dns     *dns.Checker
	charts  *charts

	flight singleflight.Group
	mu     sync.Mutex
	ready  bool              // the cluster was awaited
	uid    string            // of the cluster; only with WithSharedReads
	env    *environment      // read once until Forget; again for each AwaitCluster while it has no ingress class
	shared map[string]*reads // by fleet; only with WithSharedReads
}

type clientOptions struct {
	ingressClass string
	dnsServers   []string
	sharedReads  bool
}

// ClientOption adjusts a Client.
type ClientOption func(*clientOptions)

// WithIngressClass makes stores use that class instead of the cluster's default.
func WithIngressClass(name string) ClientOption {
	return func(o *clientOptions) { o.ingressClass = name }
}

// WithDNSServers asks these servers ("192.0.2.53:53") about domains and takes their word as authoritative, instead of
// walking the public DNS.
func WithDNSServers(servers ...string) ClientOption {
	return func(o *clientOptions) { o.dnsServers = servers }
}

// WithSharedReads reads the cluster once for everything that is asked of the client, until [Fleet.Forget]: for a short-lived
// process that looks at many stores, such as a Terraform run. What this client writes it sees at once; what others write
// meanwhile it does not.
func WithSharedReads() ClientOption {
	return func(o *clientOptions) { o.sharedReads = true }
}

// Connect makes a client. It does not dial: the first use does. QPS and Burst of cfg bound all requests of the client
// together, its Timeout how long an answer may take to begin (65 seconds when it is 0).
func Connect(cfg *rest.Config, opts ...ClientOption) (*Client, error) {
	c := &Client{charts: new(charts), shared: make(map[string]*reads)}
	for _, opt := range opts {
		opt(&c.options)
	}
	var err error
	if c.kube, err = kube.New(cfg, blueprint.FieldManager); err != nil {
		return nil, err
	}
	c.helm = release.NewEngine(c.kube.Config, blueprint.FieldManager, c.kube.Discovery, c.kube.Mapper)
	c.ledger = ledger.New(c.kube)
	c.dns = dns.New(dns.Options{Servers: c.options.dnsServers})
	return c, nil
}

// Fleet returns the fleet of that name, a DNS label. Nothing is made until the first Up.
func (c *Client) Fleet(name string) *Fleet { return &Fleet{client: c, name: name} }

// environment returns what the cluster is like, read once.
func (c *Client) environment(ctx context.Context) (*environment, error) {
	c.mu.Lock()
	env := c.env
	c.mu.Unlock()
	if env != nil {
		return env, nil
	}
	read, err, _ := c.flight.Do("environment", func() (any, error) {
		read, err := c.readEnvironment(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the cluster: %w", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.env = read
		return read, nil
	})
	env, _ = read.(*environment) // not c.env, which others may have dropped by now
	return env, err
}

// ClusterUID returns what tells the cluster from every other one: the UID of its kube-system namespace.
func (c *Client) ClusterUID(ctx context.Context) (string, error) {
	if known := c.knownUID(); known != "" {
		return known, nil
	}
	read, err, _ := c.flight.Do("uid", func() (any, error) { return c.readUID(ctx) })
	uid, _ := read.(string)
	return uid, err
}

// knownUID is the cluster's UID as far as it was read before; empty when it was not.
func (c *Client) knownUID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.env != nil {
		return c.env.uid
	}
	return c.uid
}

func (c *Client) readUID(ctx context.Context) (string, error) {
	system, err := c.kube.Get(ctx, refNamespace(kubeSystem))
	if err != nil {
		return "", fmt.Errorf("read the cluster: %w", err)
	}
	uid := string(system.GetUID())
	if c.options.sharedReads {
		c.mu.Lock()
		c.uid = uid
		c.mu.Unlock()
	}
	return uid, nil
}
