package kube

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Workloads is what runs in a namespace, and what is said about it.
type Workloads struct {
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	DaemonSets   []*appsv1.DaemonSet
	ReplicaSets  []*appsv1.ReplicaSet
	Jobs         []*batchv1.Job
	Pods         []*corev1.Pod
	Claims       []*corev1.PersistentVolumeClaim
	Events       []*corev1.Event // of the last hour

	// What follows is not watched: [Cluster.Survey] adds it. A list that was not read is nil.
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	Ingresses      []*networkingv1.Ingress
	IngressClasses []*networkingv1.IngressClass
	StorageClasses []*storagev1.StorageClass
	Nodes          []*corev1.Node
}

// UnwatchedError is a wait that never saw the namespace whole.
type UnwatchedError struct {
	Namespace string
	Last      error // what the API server said last
	Err       error // why the wait ended
}

// Error implements error.
func (e *UnwatchedError) Error() string {
	return fmt.Sprintf("watch namespace %s: %v, last: %v", e.Namespace, e.Err, e.Last)
}

// Unwrap implements the errors interface.
func (e *UnwatchedError) Unwrap() error { return e.Err }

// tick is how often a wait reports progress while nothing changes.
const tick = 5 * time.Second

var errNoAnswer = errors.New("no answer")

// AwaitWorkloads watches a namespace and calls judge with all that runs in it, at each change and now and then, until it
// says that it is done, fails, or ctx ends. Nothing goes on when it has returned.
func (c *Cluster) AwaitWorkloads(ctx context.Context, namespace string, judge func(Workloads) (done bool, err error)) error {
	ctx, end := context.WithCancelCause(ctx)
	stop := func() { end(nil) }
	factory := informers.NewSharedInformerFactoryWithOptions(c.Typed, 0, informers.WithNamespace(namespace))
	defer factory.Shutdown()
	defer stop() // before Shutdown, which waits for what it stops

	apps, batch, core := factory.Apps().V1(), factory.Batch().V1(), factory.Core().V1()
	all := []cache.SharedIndexInformer{
		apps.Deployments().Informer(), apps.StatefulSets().Informer(), apps.DaemonSets().Informer(), apps.ReplicaSets().Informer(), batch.Jobs().Informer(),
		core.Pods().Informer(), core.PersistentVolumeClaims().Informer(), core.Events().Informer(),
	}
	changed := make(chan struct{}, 1)
	signal := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var last atomic.Pointer[error]
	for _, informer := range all {
		err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			last.Store(&err)
			if apierrors.IsForbidden(err) { // waiting does not change that
				end(err)
			}
		})
		if err != nil {
			return fmt.Errorf("watch namespace %s: %w", namespace, err)
		}
		_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: signal, UpdateFunc: func(_, after any) { signal(after) }, DeleteFunc: signal,
		})
		if err != nil {
			return fmt.Errorf("watch namespace %s: %w", namespace, err)
		}
	}
	factory.Start(ctx.Done())
	for _, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if synced {
			continue
		}
		failed := &UnwatchedError{Namespace: namespace, Last: errNoAnswer, Err: context.Cause(ctx)}
		if said := last.Load(); said != nil {
			failed.Last = *said
		}
		return failed
	}

	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		w := Workloads{
			Deployments:  listed[*appsv1.Deployment](all[0]),
			StatefulSets: listed[*appsv1.StatefulSet](all[1]),
			DaemonSets:   listed[*appsv1.DaemonSet](all[2]),
			ReplicaSets:  listed[*appsv1.ReplicaSet](all[3]),
			Jobs:         listed[*batchv1.Job](all[4]),
			Pods:         listed[*corev1.Pod](all[5]),
			Claims:       listed[*corev1.PersistentVolumeClaim](all[6]),
			Events:       listed[*corev1.Event](all[7]),
		}
		if done, err := judge(w); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return c.lastLook(ctx, namespace, w, judge)
		case <-changed:
		case <-ticker.C:
		}
	}
}

// lastLookTime bounds the look at what a wait that ran out of time was for.
const lastLookTime = 2 * time.Second

// lastLook judges what there is when the time of a wait is over. What was watched may be old by then: watches that break are no
// errors.
func (c *Cluster) lastLook(ctx context.Context, namespace string, w Workloads, judge func(Workloads) (done bool, err error)) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLookTime)
	defer cancel()
	if err := c.readWorkloads(ctx, namespace, &w); err != nil {
		return &UnwatchedError{Namespace: namespace, Last: err, Err: cause}
	}
	if done, err := judge(w); done || err != nil {
		return err
	}
	return cause
}

// readWorkloads reads what makes a store ready.
func (c *Cluster) readWorkloads(ctx context.Context, namespace string, w *Workloads) error {
	apps := c.Typed.AppsV1()
	deployments, err := apps.Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	statefulSets, err := apps.StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	daemonSets, err := apps.DaemonSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	jobs, err := c.Typed.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	w.Deployments, w.StatefulSets = pointers(deployments.Items), pointers(statefulSets.Items)
	w.DaemonSets, w.Jobs = pointers(daemonSets.Items), pointers(jobs.Items)
	return nil
}

func listed[T runtime.Object](informer cache.SharedIndexInformer) []T {
	items := informer.GetStore().List()
	out := make([]T, 0, len(items))
	for _, item := range items {
		if object, ok := item.(T); ok {
			out = append(out, object)
		}
	}
	return out
}

// Waiting returns why a workload is not ready, in one sentence; nothing when it is, or needs no waiting.
func Waiting(object runtime.Object) (string, error) {
	gvks, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return "", err
	}
	u, err := toUnstructured(object, gvks[0])
	if err != nil {
		return "", err
	}
	return waiting(u)
}

// AwaitGone waits until an object is gone, and reports what is left of it now and then.
func (c *Cluster) AwaitGone(ctx context.Context, ref spec.ObjectRef, report func(*unstructured.Unstructured)) error {
	client, err := c.client(ref)
	if err != nil {
		return err
	}
	byName := fields.OneTermEqualSelector("metadata.name", ref.Name).String()
	source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = byName
			return client.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = byName
			return client.Watch(ctx, options)
		},
	}, c.Dynamic)
	gone := func(store cache.Store) (bool, error) { return len(store.ListKeys()) == 0, nil }
	_, err = toolswatch.UntilWithSync(ctx, source, &unstructured.Unstructured{}, gone, func(event watch.Event) (bool, error) {
		if object, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != watch.Deleted {
			report(object)
		}
		return event.Type == watch.Deleted, nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s is gone: %w", where(ref), err)
	}
	return nil
}

// Labelled makes a label selector of exact matches.
func Labelled(set map[string]string) string { return labels.SelectorFromSet(set).String() }
