package storekit_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const extraMap = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"

// refused is a Deployment with more pods than the plan has room for: it never becomes ready.
var refused = deployment(40, "", "image: registry.example.com/web:2,")

// statuses are those of a store's revisions, from the first on record.
func statuses(state *storekit.State) []string {
	var out []string
	for _, revision := range state.Release.History {
		out = append(out, revision.Status)
	}
	return out
}

// image is what the Deployment web of a store runs.
func (h *harness) image(t *testing.T, s spec.Store) string {
	t.Helper()
	live, err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return live.Spec.Template.Spec.Containers[0].Image
}

// undone makes an update that fails and is rolled back.
func (h *harness) undone(t *testing.T, s spec.Store, timeout time.Duration) {
	t.Helper()
	_, err := h.fleet.Up(t.Context(), h.preview(t, program(s)), storekit.Timeout(timeout))
	var undone *storekit.UndoneError
	if !errors.As(err, &undone) {
		t.Fatalf("The update must fail and be undone: %v", err)
	}
}

// An update that does not become ready is undone, guardrails and all, unless the store asks for something else.
func TestFailedUpdate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason    string
		onFailure spec.OnFailure
		undone    bool
	}{
		"default":   {reason: "an update goes back by itself", undone: true},
		"rollback":  {reason: "asked for", onFailure: spec.RollBackFailed, undone: true},
		"uninstall": {reason: "never removes a shop that was there", onFailure: spec.UninstallFailed, undone: true},
		"keep":      {reason: "what failed can be looked at", onFailure: spec.KeepFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			good := h.failing(t, name, deployment(1, "", wellImage))
			good.Plan, good.OnFailure = "basic", tc.onFailure
			h.up(t, program(good))
			bad := good
			bad.Plan, bad.Host = "standard", "www."+h.name+".example.test"
			broken, ok := h.failing(t, name, refused+extraMap).Engine.(spec.Chart)
			if !ok {
				t.Fatal("no chart")
			}
			broken.Service, broken.Port = "web", 80
			bad.Engine = broken

			_, err := h.tryUp(t.Context(), program(bad))
			var undone *storekit.UndoneError
			if got := errors.As(err, &undone); err == nil || got != tc.undone {
				t.Fatalf("%s: undone %t, want %t: %v", tc.reason, got, tc.undone, err)
			}
			state, err := h.fleet.Get(t.Context(), good.Name)
			if err != nil {
				t.Fatal(err)
			}
			if state.Failure == "" {
				t.Error("the failure is not on record")
			}
			wantImage, wantStatuses, wantCPU := "registry.example.com/web:2", []string{"superseded", "deployed"}, "2"
			if tc.undone {
				wantImage, wantStatuses, wantCPU = "registry.example.com/web:1", []string{"superseded", "superseded", "deployed"}, "1600m"
			}
			if got := h.image(t, good); got != wantImage {
				t.Errorf("image: want %s, got %s", wantImage, got)
			}
			if diff := cmp.Diff(wantStatuses, statuses(state)); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if got := state.Quota["limits.cpu"].Hard; got != wantCPU {
				t.Errorf("CPU of the plan: want %s, got %s", wantCPU, got)
			}
			if !tc.undone {
				return
			}
			if !state.Ready || !state.Complete || len(state.Drift) > 0 {
				t.Errorf("state after the rollback: ready %t, complete %t, causes %v, drift %v", state.Ready, state.Complete, state.Causes, state.Drift)
			}
			if again := h.preview(t, program(good)); !again.Empty() {
				t.Errorf("the earlier specification is not what is there:\n%s", again)
			}
			if _, err := h.cluster.Client().CoreV1().ConfigMaps(good.Namespace()).Get(t.Context(), "extra", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("what the failed update added is still there: %v", err)
			}
			step := h.preview(t, program(bad)).Steps[0]
			if step.Action != storekit.Update || !slices.ContainsFunc(step.Why, func(why string) bool { return strings.Contains(why, "rolled back") }) {
				t.Errorf("the next preview of what failed: %s %v", step.Action, step.Why)
			}
			other := h.woocommerce("other")
			other.Host = bad.Host
			h.up(t, program(good, other)) // the host that the failed update had taken is free
		})
	}
}

// A failed update that took the host away brings the Ingress back with it.
func TestRollbackBringsTheHostBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("host")
	s.Host = "www." + h.name + ".example.test"
	h.up(t, program(s))
	bad := withEngine(s, func(w *spec.WooCommerce) { w.Registry = "registry.example.com/never-pull" })
	bad.Host = ""
	h.undone(t, bad, 45*time.Second)
	if _, err := h.cluster.Client().NetworkingV1().Ingresses(s.Namespace()).Get(t.Context(), "store", metav1.GetOptions{}); err != nil {
		t.Errorf("the shop cannot be reached: %v", err)
	}
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("the earlier specification is not what is there:\n%s", again)
	}
}

// An update whose time runs out is undone without waiting for what was there before.
func TestUpdateThatRunsOutIsUndoneInTime(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	good := h.failing(t, "slow", deployment(1, "", wellImage))
	h.up(t, program(good))
	h.cluster.Misbehave(t, good.Namespace(), testcluster.Unschedulable)
	bad := good
	bad.Engine = h.failing(t, "slow", deployment(1, "", "image: registry.example.com/web:2,")).Engine
	preview := h.preview(t, program(bad))
	const timeout = 12 * time.Second
	begun := time.Now()
	_, err := h.fleet.Up(t.Context(), preview, storekit.Timeout(timeout))
	took := time.Since(begun)
	var undone *storekit.UndoneError
	if !errors.As(err, &undone) {
		t.Fatalf("want it undone, got %v", err)
	}
	if took > timeout+10*time.Second {
		t.Errorf("it took %s, with a timeout of %s", took, timeout)
	}
	t.Logf("ended %s after its time", took-timeout)
	if got := h.image(t, good); got != "registry.example.com/web:1" {
		t.Errorf("image: %s", got)
	}
	h.cluster.Misbehave(t, good.Namespace(), testcluster.Healthy)
	if again := h.preview(t, program(good)); !again.Empty() {
		t.Errorf("the earlier specification is not what is there:\n%s", again)
	}
}

// An update that fails because the cluster does not answer is not undone: nothing says that it is bad.
func TestUpdateWithoutAnAnswerIsKept(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "mute", deployment(1, "", wellImage))
	h.up(t, program(s))
	next := s
	next.Engine = h.failing(t, "mute", deployment(1, "", "image: registry.example.com/web:2,")).Engine
	_, err := h.unwatchable(t).Up(t.Context(), h.preview(t, program(next)), storekit.Timeout(5*time.Second))
	var undone *storekit.UndoneError
	if err == nil || errors.As(err, &undone) {
		t.Fatalf("want it to fail and to be kept, got %v", err)
	}
	if got := h.image(t, s); got != "registry.example.com/web:2" {
		t.Errorf("image: %s", got)
	}
	if state := h.up(t, program(next)).Stores[s.Name]; !state.Ready {
		t.Errorf("the next Up does not finish it: %+v", state.Causes)
	}
}

// A store is read, and rolled back, without the chart that it was made from: another machine does not have it.
func TestStoreOutlivesItsChart(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "orphan", deployment(1, "", wellImage))
	h.up(t, program(s))
	chart, ok := s.Engine.(spec.Chart)
	if !ok {
		t.Fatal("no chart")
	}
	if err := os.RemoveAll(chart.Source); err != nil {
		t.Fatal(err)
	}
	h.fleet = h.connect(t, h.config)
	patch := []byte(`{"spec":{"replicas":2}}`)
	if _, err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil || len(state.Drift) != 1 || state.Drift[0].Path != "spec.replicas" {
		t.Fatalf("want it read, with its drift: %+v, %v", state, err)
	}
	bad := s
	bad.Engine = h.failing(t, "orphan", refused).Engine
	var undone *storekit.UndoneError
	if _, err := h.tryUp(t.Context(), program(bad)); !errors.As(err, &undone) {
		t.Fatalf("want it undone, got %v", err)
	}
	if state, err = h.fleet.Get(t.Context(), s.Name); err != nil || len(state.Drift) > 0 || !state.Complete {
		t.Errorf("after the rollback: %+v, %v", state, err)
	}
	if fields := spec.FieldErrorsOf(func() error { _, err := h.fleet.Preview(t.Context(), program(s)); return err }()); len(fields) != 1 || fields[0].Path != "chart.source" {
		t.Errorf("a preview needs the chart, and has to say so: %v", fields)
	}
}

// A create that fails keeps what is there, unless the store asks for its release to go.
func TestFailedCreate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		onFailure spec.OnFailure
		want      []string // statuses of the revisions that are left
	}{
		"default":   {want: []string{"deployed"}},
		"rollback":  {onFailure: spec.RollBackFailed, want: []string{"deployed"}},
		"uninstall": {onFailure: spec.UninstallFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.failing(t, name, refused)
			s.OnFailure = tc.onFailure
			if _, err := h.tryUp(t.Context(), program(s)); err == nil {
				t.Fatal("it did not fail")
			}
			state, err := h.fleet.Get(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, statuses(state)); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			fixed := s
			fixed.Engine = h.failing(t, name, deployment(1, "", wellImage)).Engine
			if after := h.up(t, program(fixed)).Stores[s.Name]; !after.Ready {
				t.Errorf("the next Up does not finish it: %+v", after.Causes)
			}
			if again := h.preview(t, program(fixed)); !again.Empty() {
				t.Errorf("the preview after it is not empty:\n%s", again)
			}
		})
	}
}

func TestRollbackOnDemand(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	first := h.failing(t, "back", deployment(1, "", wellImage))
	h.up(t, program(first))
	second := first
	second.Engine = h.failing(t, "back", deployment(1, "", "image: registry.example.com/web:2,")+extraMap).Engine
	h.up(t, program(second))

	result, err := h.fleet.Rollback(t.Context(), first.Name, 1, storekit.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"superseded", "superseded", "deployed"}, statuses(result.Stores[first.Name])); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if got := h.image(t, first); got != "registry.example.com/web:1" {
		t.Errorf("image after the rollback: %s", got)
	}
	pinned := second
	pinned.RollbackTo = 1
	if again := h.preview(t, program(pinned)); !again.Empty() {
		t.Errorf("a store that stays at its revision is not empty:\n%s", again)
	}

	// What others change is drift there too, and is repaired to what the revision had.
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry.example.com/web:evil"}]}}}}`)
	if _, err := h.cluster.Client().AppsV1().Deployments(first.Namespace()).Patch(t.Context(), "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := h.preview(t, program(pinned)).Steps[0]; got.Action != storekit.Repair || len(got.Changes) != 1 {
		t.Errorf("drift of a store at a revision: %s %v", got.Action, got.Changes)
	}
	h.up(t, program(pinned))
	if got := h.image(t, first); got != "registry.example.com/web:1" {
		t.Errorf("image after the repair: %s", got)
	}

	h.up(t, program(second))
	if got := h.image(t, first); got != "registry.example.com/web:2" {
		t.Errorf("image after the rollback was taken back: %s", got)
	}
	if again := h.preview(t, program(second)); !again.Empty() {
		t.Errorf("the preview after it is not empty:\n%s", again)
	}

	for _, revision := range []int{-1, 99} {
		_, err := h.fleet.Rollback(t.Context(), first.Name, revision)
		if fields := spec.FieldErrorsOf(err); len(fields) != 1 || fields[0].Path != "rollback_to" {
			t.Errorf("revision %d: want a refusal that names rollback_to, got %v", revision, err)
		}
	}
	if _, err := h.fleet.Rollback(t.Context(), "nobody", 1); !errors.Is(err, storekit.ErrNotFound) {
		t.Errorf("a store that does not exist: %v", err)
	}
}

// A release record that cannot be decoded is named, with what to do about it, and that helps.
func TestCorruptReleaseRecord(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "corrupt", deployment(1, "", wellImage))
	h.up(t, program(s))
	secrets := h.cluster.Client().CoreV1().Secrets(s.Namespace())
	const record = "sh.helm.release.v1.store.v1"
	if _, err := secrets.Patch(t.Context(), record, types.MergePatchType, []byte(`{"data":{"release":"bm90IGEgcmVsZWFzZQ=="}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	next := s
	next.Engine = h.failing(t, "corrupt", deployment(1, "", "image: registry.example.com/web:2,")).Engine
	if _, err := h.tryUp(t.Context(), program(next)); err == nil || !strings.Contains(err.Error(), record) {
		t.Fatalf("want an error that names %s, got %v", record, err)
	}
	if err := secrets.Delete(t.Context(), record, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if state := h.up(t, program(next)).Stores[s.Name]; !state.Ready || state.Release.Status != "deployed" {
		t.Errorf("the store after its record was deleted: %+v", state.Release)
	}
}

// Every attempt of an operation makes a revision, and Helm keeps five: the one to go back to must outlive attempts that were cut off.
func TestRevisionToGoBackToOutlivesAttempts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change func(t *testing.T, h *harness, s *spec.Store) // what is tried again and again
		undone bool                                          // it fails in the end
		image  string
	}{
		"update": {
			reason: "what became ready last comes back", undone: true, image: "registry.example.com/web:2",
			change: func(t *testing.T, h *harness, s *spec.Store) {
				t.Helper()
				s.Engine = h.failing(t, "cut", deployment(40, "", "image: registry.example.com/web:3,")).Engine
			},
		},
		"rollback": {
			reason: "the revision that the store asks for is there to the end", image: "registry.example.com/web:1",
			change: func(_ *testing.T, _ *harness, s *spec.Store) { s.RollbackTo = 1 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.failing(t, "cut", deployment(1, "", wellImage))
			h.up(t, program(s))
			s.Engine = h.failing(t, "cut", deployment(1, "", "image: registry.example.com/web:2,")).Engine
			h.up(t, program(s))
			tc.change(t, h, &s)
			for attempt := range 5 {
				preview := h.preview(t, program(s))
				ctx, cancel := context.WithCancel(t.Context())
				_, err := h.fleet.Up(ctx, preview, storekit.OnEvent(func(e storekit.Event) {
					if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == "ready" {
						cancel()
					}
				}))
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("attempt %d: want it cut off, got %v", attempt, err)
				}
			}
			_, err := h.tryUp(t.Context(), program(s))
			var undone *storekit.UndoneError
			if errors.As(err, &undone) != tc.undone || !tc.undone && err != nil {
				t.Fatalf("%s: undone %t, want %t: %v", tc.reason, !tc.undone, tc.undone, err)
			}
			if got := h.image(t, s); got != tc.image {
				t.Errorf("%s: want %s, got %s", tc.reason, tc.image, got)
			}
			if history := h.get(t, s).Release.History; len(history) > 5 {
				t.Errorf("the history is not bounded: %+v", history)
			}
		})
	}
}
