package kube

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/flowcontrol"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Cluster holds the clients of one cluster. They share one rate limit, one discovery cache and one connection pool. Nothing
// is dialled before the first request.
type Cluster struct {
	Manager   string // field manager of every write
	Config    *rest.Config
	Typed     kubernetes.Interface
	Dynamic   dynamic.Interface
	Metadata  metadata.Interface
	Discovery discovery.CachedDiscoveryInterface
	Mapper    *restmapper.DeferredDiscoveryRESTMapper

	requests atomic.Int64
	patience time.Duration // how long an answer may take to begin

	mu      sync.Mutex
	clients map[schema.GroupVersion]rest.Interface // for typed lists
}

// defaultPatience is longer than what an API server gives itself for a request (k8s.io/apiserver, RequestTimeout: a minute).
const defaultPatience = 65 * time.Second

// New makes the clients. config is copied; its QPS and Burst bound all requests together, none when QPS is negative; its Timeout
// bounds how long an answer may take to begin, 65 seconds when it is 0.
func New(config *rest.Config, manager string) (*Cluster, error) {
	c := &Cluster{Manager: manager, Config: rest.CopyConfig(config), clients: make(map[schema.GroupVersion]rest.Interface)}
	c.patience, c.Config.Timeout = cmp.Or(config.Timeout, defaultPatience), 0 // as it is, client-go would cut watches off
	if c.Config.RateLimiter == nil && c.Config.QPS > 0 {
		c.Config.RateLimiter = limiter{flowcontrol.NewTokenBucketRateLimiter(c.Config.QPS, max(c.Config.Burst, 1))}
	}
	// The server derives the field manager of a write that names none (Helm's records) from the user agent.
	if c.Config.UserAgent == "" {
		c.Config.UserAgent = manager
	}
	if c.Config.WarningHandler == nil && c.Config.WarningHandlerWithContext == nil {
		c.Config.WarningHandler = rest.NoWarnings{} // else they go to standard error
	}
	c.Config.Wrap(c.watchTransport)

	httpClient, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return nil, fmt.Errorf("prepare connection to %s: %w", config.Host, err)
	}
	if c.Typed, err = kubernetes.NewForConfigAndClient(c.Config, httpClient); err != nil {
		return nil, fmt.Errorf("prepare connection to %s: %w", config.Host, err)
	}
	if c.Dynamic, err = dynamic.NewForConfigAndClient(c.Config, httpClient); err != nil {
		return nil, fmt.Errorf("prepare connection to %s: %w", config.Host, err)
	}
	if c.Metadata, err = metadata.NewForConfigAndClient(c.Config, httpClient); err != nil {
		return nil, fmt.Errorf("prepare connection to %s: %w", config.Host, err)
	}
	c.Discovery = memory.NewMemCacheClient(c.Typed.Discovery())
	c.Mapper = restmapper.NewDeferredDiscoveryRESTMapper(c.Discovery)
	return c, nil
}

// limiter says that it is the end of a context which a request would come too late for.
type limiter struct{ flowcontrol.RateLimiter }

// Wait implements [flowcontrol.RateLimiter].
func (l limiter) Wait(ctx context.Context) error {
	err := l.RateLimiter.Wait(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
}

// Requests is the number of requests sent so far.
func (c *Cluster) Requests() int { return int(c.requests.Load()) }
