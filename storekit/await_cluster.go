package storekit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
)

// NotReadyError is a cluster that was not ready in the time that was given to it.
type NotReadyError struct {
	Server string // address of the API server
	Waited time.Duration
	Cause  error // what the last try came back with
}

// Error implements error.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("cluster %s was not ready in %s, last: %v", e.Server, e.Waited, e.Cause)
}

// Unwrap implements the errors interface.
func (e *NotReadyError) Unwrap() error { return e.Cause }

// tryTimeout bounds one try: a firewall that drops what it is sent gives no answer at all.
const tryTimeout = 10 * time.Second

var (
	errNoAnswer = errors.New("the API server gives no answer")
	errNoNode   = errors.New("the cluster has no node yet")
	errBareNode = fmt.Errorf("%w that its cloud provider has initialized", errNoNode)
)

// bareTaint is on a node until the cloud provider has given it its addresses (k8s.io/cloud-provider/api). In k3s that provider begins
// with rights that the first of the packaged manifests gives it (k3s-io/k3s, pkg/daemons/control/server.go), while the others, of
// Traefik too, are being applied: once the taint is gone the cluster has said what it will be.
const bareTaint = "node.cloudprovider.kubernetes.io/uninitialized"

// AwaitCluster waits until the cluster can be used: its API server answers and a node is registered and initialized by its cloud
// provider, if it has one. What a cluster gives that still boots is told to progress and tried again until ctx ends; what waiting
// cannot heal, such as a wrong certificate or a missing right, is returned at once. A cluster that answers but has no such node when
// ctx ends is ready too, for it may make nodes on demand. It is waited for once: later calls cost nothing, and concurrent ones share
// the wait of the first.
func (c *Client) AwaitCluster(ctx context.Context, progress func(cause string)) error {
	_, err, _ := c.flight.Do("await", func() (any, error) { return nil, c.await(ctx, progress) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.env != nil && c.env.class == nil {
		c.env = nil // whoever makes the stores may have made an ingress controller since
	}
	return err
}

func (c *Client) await(ctx context.Context, progress func(cause string)) error {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	if ready {
		return nil
	}
	var cause error // of the last try that could end
	waited, started := false, time.Now()
	backoff := wait.Backoff{Duration: 250 * time.Millisecond, Factor: 1.5, Cap: 2 * time.Second, Steps: math.MaxInt}
	const immediate, sliding = true, true
	err := backoff.DelayFunc().Until(ctx, immediate, sliding, func(ctx context.Context) (bool, error) {
		err := c.try(ctx)
		if ctx.Err() != nil && cause != nil {
			return false, ctx.Err()
		}
		if cause = err; !passing(cause) {
			return cause == nil, cause
		}
		waited = true
		progress(cause.Error())
		return false, nil
	})
	switch {
	case err == nil:
	case ctx.Err() == nil:
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("wait for cluster %s: %w", c.kube.Config.Host, ctx.Err())
	case errors.Is(cause, errNoNode):
		progress(errNoNode.Error() + ": going on without one")
	default:
		return &NotReadyError{Server: c.kube.Config.Host, Waited: time.Since(started).Round(100 * time.Millisecond), Cause: cause}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
	if waited || c.env != nil && len(c.env.nodes) == 0 { // what was read before the cluster was ready
		c.env = nil
		clear(c.shared)
		c.kube.Mapper.Reset() // and with it the discovery
	}
	return nil
}

// try asks for what every use of the cluster needs.
func (c *Client) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	_, err := c.readUID(ctx)
	var nodes []corev1.Node
	if err == nil {
		nodes, err = listOf[corev1.Node](ctx, c.kube, kube.Query{Kind: kube.KnownKind("Node")})
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return errNoAnswer
	case err != nil:
		return err
	case len(nodes) == 0:
		return errNoNode
	case !slices.ContainsFunc(nodes, initialized):
		return errBareNode
	default:
		return nil
	}
}

func initialized(node corev1.Node) bool {
	return !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == bareTaint })
}

// passing tells whether waiting may heal it. The API server answers a little before it has made the kube-system namespace.
func passing(err error) bool {
	return errors.Is(err, errNoAnswer) || errors.Is(err, errNoNode) || apierrors.IsNotFound(err) || kube.Booting(err)
}
