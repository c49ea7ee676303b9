package storekit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// reconcile runs a loop of a second until the test ends, and returns what it tells.
func (h *harness) reconcile(t *testing.T, opts ...storekit.RunOption) <-chan storekit.StepDone {
	t.Helper()
	fleet := h.connect(t, h.config)
	done := make(chan storekit.StepDone, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	opts = append(opts, storekit.OnEvent(func(e storekit.Event) {
		t.Log(e)
		if step, ok := e.(storekit.StepDone); ok {
			done <- step
		}
	}))
	go func() { ended <- fleet.Reconcile(ctx, time.Second, opts...) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Reconcile ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Reconcile goes on 10 s after its context ended")
		}
	})
	return done
}

// next waits for the end of the next step.
func next(t *testing.T, done <-chan storekit.StepDone) storekit.StepDone {
	t.Helper()
	select {
	case step := <-done:
		return step
	case <-time.After(time.Minute):
		t.Fatal("nothing happened in a minute")
		return storekit.StepDone{}
	}
}

// quiet makes sure that nothing is done for some rounds.
func quiet(t *testing.T, done <-chan storekit.StepDone, d time.Duration) {
	t.Helper()
	select {
	case step := <-done:
		t.Errorf("more was done: %s", step)
	case <-time.After(d):
	}
}

func TestReconcileRepairs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s, untouched := h.failing(t, "drift", deployment(1, "", wellImage)), h.failing(t, "well", deployment(1, "", wellImage))
	h.up(t, program(s, untouched))
	done := h.reconcile(t)

	patch := []byte(`{"spec":{"hard":{"pods":"1000"}}}`)
	if _, err := h.cluster.Client().CoreV1().ResourceQuotas(s.Namespace()).Patch(t.Context(), "services", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if step := next(t, done); step.Err != nil || step.Action != storekit.Repair || step.Target != storekit.StoreTarget(s.Name) {
		t.Errorf("want the store repaired, got: %s", step)
	}
	if again := h.preview(t, program(s, untouched)); !again.Empty() {
		t.Errorf("the preview after it is not empty:\n%s", again)
	}
	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(state.Operations); n != 2 || state.Operations[0].Action != storekit.Create || state.Operations[1].Action != storekit.Repair {
		t.Errorf("want a create and a repair on record, got %+v", state.Operations)
	}
	quiet(t, done, 3*time.Second)
}

// What an interrupted operation has left is finished; what somebody works on is left to them.
func TestReconcileFinishesWhatOthersLeft(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "left", deployment(1, "", wellImage))
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Unschedulable)
	preview := h.preview(t, program(s))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waits, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		told := false
		_, err := h.fleet.Up(ctx, preview, storekit.OnEvent(func(e storekit.Event) {
			if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == "ready" && !told {
				told = true
				close(waits)
			}
		}))
		ended <- err
	}()
	select {
	case <-waits:
	case err := <-ended:
		t.Fatalf("Up ended early: %v", err)
	}
	done := h.reconcile(t)
	var locked *storekit.LockedError
	if step := next(t, done); !errors.As(step.Err, &locked) {
		t.Errorf("a store that somebody works on: want it locked, got: %s", step)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Up ended with %v", err)
	}
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Healthy)
	for {
		step := next(t, done)
		if errors.As(step.Err, &locked) {
			continue
		}
		if step.Err != nil || step.Action != storekit.Resume {
			t.Errorf("want the store resumed, got: %s", step)
		}
		break
	}
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("the preview after it is not empty:\n%s", again)
	}
}

// An operation that does not finish is given up, with its reason on record; the next Up goes on with it all the same.
func TestReconcileGivesUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "stuck", refused)
	if _, err := h.tryUp(t.Context(), program(s)); err == nil {
		t.Fatal("it did not fail")
	}
	done := h.reconcile(t, storekit.StuckAfter(time.Millisecond))
	var failed *storekit.StepError
	step := next(t, done)
	if !errors.Is(step.Err, storekit.ErrStuck) || !errors.As(step.Err, &failed) || step.Action != storekit.GiveUp {
		t.Fatalf("want it given up, got: %s", step)
	}
	if len(failed.Causes) == 0 || failed.Causes[0].Code != "quota-exceeded" {
		t.Errorf("want the cause, got %+v", failed.Causes)
	}
	quiet(t, done, 3*time.Second)
	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil || state.Failure == "" || state.Complete {
		t.Errorf("want it failed on record: %+v, %v", state, err)
	}
	fixed := s
	fixed.Engine = h.failing(t, "stuck", deployment(1, "", wellImage)).Engine
	if state := h.up(t, program(fixed)).Stores[s.Name]; !state.Ready || state.Failure != "" {
		t.Errorf("the next Up: ready %t, failure %q", state.Ready, state.Failure)
	}
}

// What failed because of what the store should be is left to an Up for a while, then tried again, later and later.
func TestReconcileLetsAFailedStoreRest(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "later", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n")
	if _, err := h.tryUp(t.Context(), program(s)); err == nil {
		t.Fatal("it did not fail")
	}
	ended := time.Now()
	done := h.reconcile(t)
	for i, least := range []time.Duration{10 * time.Second, 20 * time.Second} { // of rounds of a second
		step := next(t, done)
		if step.Err == nil || step.Action != storekit.Resume {
			t.Fatalf("want another attempt that fails, got: %s", step)
		}
		if pause := time.Since(ended) - step.Elapsed; pause < least {
			t.Errorf("pause %d was %s, want at least %s", i+1, pause, least)
		}
		ended = time.Now()
	}
	s.Engine = h.failing(t, "later", deployment(1, "", wellImage)).Engine
	if state := h.up(t, program(s)).Stores[s.Name]; !state.Ready {
		t.Errorf("the Up that repairs it: %+v", state.Causes)
	}
}

// A store that takes long holds up no other one.
func TestReconcileGoesOnBesideASlowStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	slow, well := h.failing(t, "slow", deployment(1, "", wellImage)), h.failing(t, "well", deployment(1, "", wellImage))
	h.up(t, program(well))
	h.cluster.Misbehave(t, slow.Namespace(), testcluster.Unschedulable)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := h.fleet.Up(ctx, h.preview(t, program(slow, well)), storekit.OnEvent(func(e storekit.Event) {
		if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == "ready" {
			cancel()
		}
	}))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("want an operation that was interrupted, got %v", err)
	}
	done := h.reconcile(t)
	leases := h.cluster.Client().CoordinationV1().Leases(systemNamespace)
	err = wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		lease, err := leases.Get(ctx, "store."+h.name+"."+slow.Name, metav1.GetOptions{})
		return err == nil && lease.Spec.HolderIdentity != nil, err
	})
	if err != nil {
		t.Fatalf("nobody works on the slow store: %v", err)
	}
	patch := []byte(`{"spec":{"hard":{"pods":"1000"}}}`)
	if _, err := h.cluster.Client().CoreV1().ResourceQuotas(well.Namespace()).Patch(t.Context(), "services", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if step := next(t, done); step.Err != nil || step.Action != storekit.Repair || step.Target != storekit.StoreTarget(well.Name) {
		t.Errorf("want the other store repaired, got: %s", step)
	}
	quiet(t, done, 3*time.Second)
}
