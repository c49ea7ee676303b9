package kube

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// deaf makes watches that never tell anything, as those of a connection that broke unnoticed.
func deaf(client *fake.Clientset) {
	client.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
		return true, watch.NewFake(), nil
	})
}

func TestAwaitWorkloadsLooksOnceMoreWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "store-a"}}
		client := fake.NewClientset(web)
		deaf(client)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		looks := 0
		err := (&Cluster{Typed: client}).AwaitWorkloads(ctx, "store-a", func(w Workloads) (bool, error) {
			if looks++; looks == 1 {
				ready := web.DeepCopy()
				ready.Status.ReadyReplicas = 1
				if _, err := client.AppsV1().Deployments("store-a").UpdateStatus(ctx, ready, metav1.UpdateOptions{}); err != nil {
					t.Error(err)
				}
			}
			return len(w.Deployments) == 1 && w.Deployments[0].Status.ReadyReplicas == 1, nil
		})
		if err != nil {
			t.Errorf("The shop was ready before the time was up, which no watch told: error %v", err)
		}
		if looks < 3 {
			t.Errorf("%d looks, want one at the beginning, some at ticks and one at the end", looks)
		}
	})
}

func TestAwaitWorkloadsEndsWhereItMayNotWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		refuse := func(action clienttesting.Action) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: action.GetResource().Resource}, "", errors.New("no RBAC rule allows it"))
		}
		client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) { return true, nil, refuse(action) })
		client.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) { return true, nil, refuse(action) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		err := (&Cluster{Typed: client}).AwaitWorkloads(ctx, "store-a", func(Workloads) (bool, error) { return false, nil })
		var unwatched *UnwatchedError
		if !errors.As(err, &unwatched) || !apierrors.IsForbidden(unwatched.Last) {
			t.Errorf("error %v, want an UnwatchedError with the refusal", err)
		}
		if waited := time.Since(began); waited > time.Minute {
			t.Errorf("it took %s to give up what waiting does not change", waited)
		}
	})
}
