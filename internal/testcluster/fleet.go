package testcluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// fleetLabel is on every namespace of a fleet, with the fleet's name.
const fleetLabel = "storeplatform.io/fleet"

// cleanupTimeout bounds how long a test waits for what it leaves behind to be gone.
const cleanupTimeout = 2 * time.Minute

// Fleet returns the name of a fleet that nobody else has. When the test ends, every namespace of the fleet is deleted and
// waited for.
func (c *Cluster) Fleet(t testing.TB) string {
	t.Helper()
	name := "t-" + randomSuffix(t)
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := c.deleteFleet(ctx, name); err != nil {
			t.Errorf("Clean up fleet %s: %v", name, err)
		}
	})
	return name
}

// deleteFleet deletes the namespaces of a fleet and returns when they are gone.
func (c *Cluster) deleteFleet(ctx context.Context, name string) error {
	namespaces := c.client.CoreV1().Namespaces()
	selector := fleetLabel + "=" + name
	list, err := namespaces.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	for _, namespace := range list.Items {
		if err := namespaces.Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete namespace %s: %w", namespace.Name, err)
		}
	}
	changes := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return namespaces.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return namespaces.Watch(ctx, o)
		},
	}
	left := map[string]bool{}
	// The watch begins with what is there by then, which may be nothing any more.
	allGone := func(store cache.Store) (bool, error) {
		for _, name := range store.ListKeys() {
			left[name] = true
		}
		return len(left) == 0, nil
	}
	_, err = watchtools.UntilWithSync(ctx, changes, &corev1.Namespace{}, allGone, func(event watch.Event) (bool, error) {
		namespace, ok := event.Object.(*corev1.Namespace)
		if ok && event.Type == watch.Deleted {
			delete(left, namespace.Name)
		} else if ok {
			left[namespace.Name] = true
		}
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for namespaces %v to be gone: %w", slices.Sorted(maps.Keys(left)), err)
	}
	return nil
}

// randomSuffix makes names that no other test has.
func randomSuffix(t testing.TB) string {
	t.Helper()
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		t.Fatalf("Read random bytes: %v", err)
	}
	return hex.EncodeToString(random)
}
