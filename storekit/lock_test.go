package storekit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

const systemNamespace = "storeplatform-system"

// A second operation on a store reports who is at work; when the first has ended, the next goes on where it stopped, without
// waiting for anything.
func TestOneOperationAtATime(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("locked")
	h.cluster.Misbehave(t, s.Namespace(), testcluster.NeverPull)
	preview := h.preview(t, program(s))
	first, cancel := context.WithCancel(t.Context())
	waits, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		_, err := h.fleet.Up(first, preview, storekit.Timeout(time.Minute), storekit.OnEvent(func(e storekit.Event) {
			if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == "ready" {
				select {
				case waits <- struct{}{}:
				default:
				}
			}
		}))
		ended <- err
	}()
	<-waits
	second := h.connect(t, h.config)
	again, err := second.Preview(t.Context(), program(s))
	if err != nil {
		t.Fatal(err)
	}
	var locked *storekit.LockedError
	if _, err := second.Up(t.Context(), again); !errors.As(err, &locked) {
		t.Fatalf("want a LockedError, got %v", err)
	}
	if locked.Store != s.Name || !strings.Contains(locked.Holder, "@") || locked.Since.IsZero() {
		t.Errorf("%+v", locked)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first ended with %v", err)
	}
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Healthy)
	if err := h.cluster.Client().CoreV1().Pods(s.Namespace()).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	begun := h.preview(t, program(s))
	if begun.Steps[0].Action != storekit.Resume {
		t.Errorf("after the cancel: %s", begun)
	}
	var events []string
	if _, err := h.fleet.Up(t.Context(), begun, storekit.Timeout(time.Minute), storekit.OnEvent(func(e storekit.Event) { events = append(events, e.String()) })); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(events, "\n"), "sign of life") {
		t.Errorf("a cancelled operation left its lock behind:\n%s", strings.Join(events, "\n"))
	}
	if _, err := h.fleet.Up(t.Context(), begun); !errors.Is(err, storekit.ErrPreviewStale) {
		t.Errorf("a preview from before the last operation: want ErrPreviewStale, got %v", err)
	}
}

// The lock of a dead holder is taken over once nothing has been heard of it for as long as it lasts, whatever its clock said.
func TestLockOfADeadHolder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	limited := rest.CopyConfig(h.config) // a limiter refuses requests that would come after the end of a wait
	limited.QPS, limited.Burst = 50, 100
	h.fleet = h.connect(t, limited)
	s := h.woocommerce("dead")
	h.up(t, program(s))
	leases := h.cluster.Client().CoordinationV1().Leases(systemNamespace)
	lease, err := leases.Get(t.Context(), "store."+h.name+"."+s.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity != nil {
		t.Fatalf("held after Up: %+v", lease.Spec)
	}
	dead, ahead := "somebody@elsewhere/1", metav1.NewMicroTime(time.Now().Add(24*time.Hour))
	lease.Spec.HolderIdentity, lease.Spec.RenewTime = &dead, &ahead
	if _, err := leases.Update(t.Context(), lease, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Owner = "other"
	var warnings []string
	preview := h.preview(t, program(s))
	if _, err := h.fleet.Up(t.Context(), preview, storekit.OnEvent(func(e storekit.Event) {
		if warning, ok := e.(storekit.Warning); ok {
			warnings = append(warnings, warning.Message)
		}
	})); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(warnings, "\n"); !strings.Contains(text, "taken over from "+dead) {
		t.Errorf("warnings: %s", text)
	}
	after, err := leases.Get(t.Context(), lease.Name, metav1.GetOptions{})
	if err != nil || after.Spec.HolderIdentity != nil || fence(after) <= fence(lease) {
		t.Errorf("lease after the takeover: %+v (error %v)", after.Spec, err)
	}
	if _, err := h.fleet.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Get(t.Context(), lease.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the lock outlives its store (error %v)", err)
	}
}

func fence(lease *coordinationv1.Lease) int32 { return *lease.Spec.LeaseTransitions }
