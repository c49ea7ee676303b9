package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// simulation is what does the work of the programs that no control plane has: a volume provisioner, a load balancer, an
// ingress controller and the kubelet of failing pods. Each acts on watched changes only.
type simulation struct {
	factory informers.SharedInformerFactory
	workers sync.WaitGroup
}

// startSimulation starts every controller and returns when their caches are filled. Beside a real node only the load
// balancer is left to do.
func startSimulation(ctx context.Context, config *rest.Config, node nodeKind) (*simulation, error) {
	client, err := clientAs(config, "testcluster")
	if err != nil {
		return nil, err
	}
	s := &simulation{factory: informers.NewSharedInformerFactory(client, 0)}
	constructors := []func(context.Context, *rest.Config, informers.SharedInformerFactory) (*controller, error){newLoadBalancer}
	if node == simulatedNode {
		constructors = append(constructors,
			newNamespaceEmptier,
			newVolumeProvisioner,
			newVolumeCollector,
			newIngressController,
			newFailingKubelet,
			newBehaviourKeeper,
		)
	}
	var controllers []*controller
	for _, construct := range constructors {
		c, err := construct(ctx, config, s.factory)
		if err != nil {
			return nil, err
		}
		controllers = append(controllers, c)
	}
	s.factory.Start(ctx.Done())
	if result := s.factory.WaitForCacheSyncWithContext(ctx); result.Err != nil {
		return nil, fmt.Errorf("fill caches of the simulation: %w", result.Err)
	}
	for _, c := range controllers {
		for range c.workers {
			s.workers.Go(func() { c.run(ctx) })
		}
		s.workers.Go(func() {
			<-ctx.Done()
			c.queue.ShutDown()
		})
	}
	return s, nil
}

// wait returns when every controller has ended, which they do with the context they were started with.
func (s *simulation) wait() {
	s.workers.Wait()
	s.factory.Shutdown()
}

// clientAs returns a client under the name of the program whose work it does. The name becomes the field manager of what
// it writes, as it would be in a real cluster.
func clientAs(config *rest.Config, name string) (kubernetes.Interface, error) {
	client, err := kubernetes.NewForConfig(configAs(config, name))
	if err != nil {
		return nil, fmt.Errorf("create client of %s: %w", name, err)
	}
	return client, nil
}

// configAs is an unthrottled copy of a client configuration under another name.
func configAs(config *rest.Config, name string) *rest.Config {
	c := rest.CopyConfig(config)
	c.UserAgent = name
	c.QPS = -1
	return c
}

// controller works off the keys of changed objects with one reconcile function.
type controller struct {
	name    string
	workers int
	queue   workqueue.TypedRateLimitingInterface[string]
	// reconcile makes the cluster right for one key. It returns after how long it wants to look again, zero for not
	// before the next change.
	reconcile func(ctx context.Context, key string) (time.Duration, error)
}

// newController returns a controller without a reconcile function.
func newController(name string) *controller {
	// Failures are conflicts with other writers, gone after one more look; a second is long for them.
	const first, longest = 20 * time.Millisecond, time.Second
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](first, longest)
	return &controller{name: name, workers: 4, queue: workqueue.NewTypedRateLimitingQueue(limiter)}
}

// watch queues the keys that an object stands for whenever it changes.
func (c *controller) watch(informer cache.SharedIndexInformer, keys func(obj any) []string) error {
	add := func(obj any) {
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		for _, key := range keys(obj) {
			c.queue.Add(key)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, obj any) { add(obj) },
		DeleteFunc: add,
	})
	if err != nil {
		return fmt.Errorf("watch for %s: %w", c.name, err)
	}
	return nil
}

// run works off the queue until it is shut down.
func (c *controller) run(ctx context.Context) {
	for {
		key, shutdown := c.queue.Get()
		if shutdown {
			return
		}
		after, err := c.reconcile(ctx, key)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			klog.FromContext(ctx).V(2).Info("Trying again", "controller", c.name, "key", key, "err", err)
			c.queue.AddRateLimited(key)
		default:
			c.queue.Forget(key)
			if after > 0 {
				c.queue.AddAfter(key, after)
			}
		}
		c.queue.Done(key)
	}
}

// ownKey is the key of the object itself: namespace/name.
func ownKey(obj any) []string {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return nil // only for what is no Kubernetes object
	}
	return []string{key}
}
