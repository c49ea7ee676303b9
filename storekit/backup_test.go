package storekit_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// The node of these tests is simulated: Jobs end well at once, and one on backups says that there is one. What becomes of data is
// tested on a real node, see test/node.

// older is the store with a version of WordPress before that of the catalogue.
func older(s spec.Store) spec.Store {
	return withEngine(s, func(w *spec.WooCommerce) { w.WordPress = "7.0.2" })
}

func withEngine(s spec.Store, change func(*spec.WooCommerce)) spec.Store {
	engine, ok := s.Engine.(spec.WooCommerce)
	if !ok {
		panic("no WooCommerce store")
	}
	change(&engine)
	s.Engine = engine
	return s
}

// phases are those of the pods of a store's Jobs on data, oldest first.
func (h *harness) phases(t *testing.T, s spec.Store) []string {
	t.Helper()
	list, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).List(t.Context(), metav1.ListOptions{LabelSelector: "storeplatform.io/phase"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b batchv1.Job) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	var out []string
	for _, job := range list.Items {
		out = append(out, job.Labels["storeplatform.io/phase"])
	}
	return out
}

func (h *harness) get(t *testing.T, s spec.Store) *storekit.State {
	t.Helper()
	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestUpgradeIsBackedUpBefore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("up")
	h.up(t, program(older(s)))
	if state := h.get(t, s); len(state.Backups) > 0 {
		t.Fatalf("A new store has backups: %v", state.Backups)
	}
	renamed := withEngine(older(s), func(w *spec.WooCommerce) { w.Title = "Beta" })
	h.up(t, program(renamed))
	if got := h.phases(t, s); got != nil {
		t.Errorf("a change of no version was backed up: %v", got)
	}
	preview := h.preview(t, program(s))
	if why := strings.Join(preview.Steps[0].Why, "; "); !strings.Contains(why, "a backup is made before") || !strings.Contains(why, "wordpress:7.0.2") {
		t.Errorf("the preview does not announce the backup: %s", why)
	}
	state := h.up(t, program(s)).Stores[s.Name]
	if diff := cmp.Diff([]string{"backup", "check"}, h.phases(t, s)); diff != "" {
		t.Errorf("Jobs on data (-want +got):\n%s", diff)
	}
	if len(state.Backups) != 1 || state.Backups[0].Rows != 345 {
		t.Errorf("backups: %+v", state.Backups)
	}
	if !h.preview(t, program(s)).Empty() {
		t.Error("there is still something to do")
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s, other, third := h.woocommerce("one"), h.woocommerce("two"), h.woocommerce("three")
	h.up(t, program(s, other, third))
	result, err := h.fleet.Backup(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	backups := result.Stores[s.Name].Backups
	if len(backups) != 1 {
		t.Fatalf("Backups: %v", backups)
	}
	if !h.preview(t, program(s, other, third)).Empty() {
		t.Error("after a backup there is something to do")
	}

	s.RestoreFrom = "20200101t000000z"
	_, err = h.fleet.Preview(t.Context(), program(s, other, third))
	if fields := spec.FieldErrorsOf(err); len(fields) != 1 || !strings.Contains(fields[0].Allowed, backups[0].ID) {
		t.Errorf("the error must name the backups that there are: %v", err)
	}

	s.RestoreFrom = backups[0].ID
	h.up(t, program(s, other, third))
	if diff := cmp.Diff([]string{"backup", "backup", "restore", "check"}, h.phases(t, s)); diff != "" {
		t.Errorf("Jobs on data (-want +got):\n%s", diff)
	}
	if state := h.get(t, s); !state.Ready || len(state.Drift) > 0 {
		t.Errorf("after the restore: ready %t, drift %v, %v", state.Ready, state.Drift, state.Causes)
	}
	if !h.preview(t, program(s, other, third)).Empty() {
		t.Error("after the restore there is something to do")
	}

	other.RestoreFrom = s.Name + "/" + h.get(t, s).Backups[0].ID
	third.RestoreFrom = other.RestoreFrom // of two that get it at once, each has what lets it in for itself
	h.up(t, program(s, other, third))
	if !slices.Contains(h.phases(t, s), "serve") {
		t.Error("the other store has got the backup from nobody")
	}
	for _, receiver := range []spec.Store{other, third} {
		if diff := cmp.Diff([]string{"backup", "restore", "check"}, h.phases(t, receiver)); diff != "" {
			t.Errorf("Jobs on data of %s (-want +got):\n%s", receiver.Name, diff)
		}
	}
	if !h.preview(t, program(s, other, third)).Empty() {
		t.Error("after the restore from another store there is something to do")
	}
}

// A failed upgrade takes the data back too, but only when it got so far as to touch them.
func TestFailedUpgradeTakesDataBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		timeout time.Duration // of which a third is kept for the way back
		want    []string
	}{
		"never-pull": {reason: "no new program ever ran", timeout: 45 * time.Second, want: []string{"backup"}},
		"crash-loop": {reason: "the setup Job of the new version ran", timeout: 2 * time.Minute, want: []string{"backup", "backup", "restore", "check"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			h.up(t, program(older(s)))
			h.undone(t, withEngine(s, func(w *spec.WooCommerce) { w.Registry = "registry.example.com/" + name }), tc.timeout)
			if diff := cmp.Diff(tc.want, h.phases(t, s)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if state := h.get(t, s); !state.Complete || !strings.Contains(h.image(t, s), "wordpress:7.0.2") {
				t.Errorf("complete %t, image %s, failure %s", state.Complete, h.image(t, s), state.Failure)
			}
			if !h.preview(t, program(older(s))).Empty() {
				t.Error("there is still something to do")
			}
		})
	}
}

// A process that dies in the middle of a restore leaves data that are not whole: the next apply finishes it before anything sets the
// shop up, whether or not it is still asked for.
func TestInterruptedRestoreIsFinished(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"still asked for": true, "taken out": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce("half")
			h.up(t, program(s))
			result, err := h.fleet.Backup(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			id := result.Stores[s.Name].Backups[0].ID
			wanted := s
			wanted.RestoreFrom = id
			interrupted := h.interruptRestore(t, wanted)

			if again {
				s = wanted
			}
			preview := h.preview(t, program(s))
			if why := strings.Join(preview.Steps[0].Why, "; "); !strings.Contains(why, "the restore of backup "+id+" was interrupted") {
				t.Errorf("the preview does not say what is done first: %s", why)
			}
			if _, err := h.fleet.Up(t.Context(), preview); err != nil {
				t.Fatalf("Up: %v", err)
			}
			if diff := cmp.Diff([]string{"backup", "backup", "restore", "check"}, h.phases(t, s)); diff != "" {
				t.Errorf("Jobs on data (-want +got):\n%s", diff)
			}
			jobs, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var restored, setUp metav1.Time
			for _, job := range jobs.Items {
				switch {
				case job.Name == interrupted:
					t.Error("the Job of the interrupted restore was not ended")
				case job.Labels["storeplatform.io/phase"] == "restore":
					restored = job.CreationTimestamp
				case strings.HasPrefix(job.Name, "install"):
					setUp = job.CreationTimestamp
				}
			}
			if restored.IsZero() || setUp.Before(&restored) {
				t.Errorf("the shop was set up at %s, before its data were restored at %s", setUp, restored)
			}
			if state := h.get(t, s); !state.Ready || !state.Complete || len(state.Drift) > 0 {
				t.Errorf("ready %t, complete %t, drift %v, %v", state.Ready, state.Complete, state.Drift, state.Causes)
			}
			if !h.preview(t, program(s)).Empty() {
				t.Error("there is still something to do")
			}
		})
	}
}

// A process that dies between the restore and the opening of the shop leaves a restore that is done: another one would undo what was sold
// once somebody opened the shop.
func TestRestoreIsDoneOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("once")
	h.up(t, program(s))
	result, err := h.fleet.Backup(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	s.RestoreFrom = result.Stores[s.Name].Backups[0].ID
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	scaled := 0 // first to nothing, then back
	dying := h.connect(t, recording(h.config, func(req *http.Request) {
		scales := req.Method == http.MethodPatch && req.Header.Get("Content-Type") == string(types.MergePatchType)
		if scales && strings.HasSuffix(req.URL.Path, s.Namespace()+"/deployments/web") {
			if scaled++; scaled == 2 {
				cancel()
			}
		}
	}))
	preview, err := dying.Preview(ctx, program(s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dying.Up(ctx, preview); !errors.Is(err, context.Canceled) {
		t.Fatalf("want an operation that was interrupted, got %v", err)
	}
	restores := func() []string {
		list, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).List(t.Context(), metav1.ListOptions{LabelSelector: "storeplatform.io/phase=restore"})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, job := range list.Items {
			names = append(names, job.Name)
		}
		return names
	}
	done := restores()
	h.up(t, program(s))
	if diff := cmp.Diff(done, restores()); len(done) != 1 || diff != "" {
		t.Errorf("Jobs that restore (-first +second):\n%s", diff)
	}
	if state := h.get(t, s); !state.Ready || len(state.Drift) > 0 {
		t.Errorf("ready %t, drift %v, %v", state.Ready, state.Drift, state.Causes)
	}
}

// The shop sells on after an upgrade that got no further than its backup: the next attempt begins with a backup of its own.
func TestBackupOfAnUpgradeThatDidNotBeginIsMadeAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("again")
	h.up(t, program(older(s)))
	h.cancelAt(t, "release", s) // the backup is on record
	first := h.get(t, s).Backups[0].ID
	h.up(t, program(s))
	if diff := cmp.Diff([]string{"backup", "backup", "check"}, h.phases(t, s)); diff != "" {
		t.Errorf("Jobs on data (-want +got):\n%s", diff)
	}
	if latest := h.get(t, s).Backups[0].ID; latest <= first {
		t.Errorf("the latest backup is %s, and not one after %s", latest, first)
	}
}

// The shop sells on after an upgrade that got no further than its backup: that backup is none of what is there when the data are replaced
// days later, and nothing to go back to when another update fails.
func TestBackupOfAnUpgradeThatDidNotBeginIsForgotten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		then func(t *testing.T, h *harness, s spec.Store, id string)
		want []string
	}{
		"restore": {
			then: func(t *testing.T, h *harness, s spec.Store, id string) {
				t.Helper()
				s.RestoreFrom = id
				h.up(t, program(s))
			},
			want: []string{"backup", "backup", "restore", "check"},
		},
		"update": { // which changes no version: there is nothing that it could go back to, and so nothing to check
			then: func(t *testing.T, h *harness, s spec.Store, _ string) {
				t.Helper()
				s.Plan = "premium"
				h.up(t, program(s))
			},
			want: []string{"backup"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			h.up(t, program(older(s)))
			h.cancelAt(t, "release", s)
			tc.then(t, h, older(s), h.get(t, s).Backups[0].ID)
			if diff := cmp.Diff(tc.want, h.phases(t, s)); diff != "" {
				t.Errorf("Jobs on data (-want +got):\n%s", diff)
			}
		})
	}
}

// A rollback that is cut off before the data went back is finished by whoever wants what was there before.
func TestInterruptedRollbackTakesDataBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("back")
	h.up(t, program(older(s)))
	h.cancelAt(t, "rollback: restore", withEngine(s, func(w *spec.WooCommerce) { w.Registry = "registry.example.com/crash-loop" }))
	if diff := cmp.Diff([]string{"backup"}, h.phases(t, s)); diff != "" {
		t.Fatalf("Jobs on data before the rollback was cut off (-want +got):\n%s", diff)
	}
	h.up(t, program(older(s)))
	if diff := cmp.Diff([]string{"backup", "backup", "restore", "check"}, h.phases(t, s)); diff != "" {
		t.Errorf("Jobs on data (-want +got):\n%s", diff)
	}
	if state := h.get(t, s); !state.Ready || !state.Complete || len(state.Drift) > 0 {
		t.Errorf("ready %t, complete %t, drift %v, %v", state.Ready, state.Complete, state.Drift, state.Causes)
	}
	if !h.preview(t, program(older(s))).Empty() {
		t.Error("there is still something to do")
	}
}

// cancelAt applies a store and cancels that as soon as it says that it is at a phase.
func (h *harness) cancelAt(t *testing.T, phase string, s spec.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := h.fleet.Up(ctx, h.preview(t, program(s)), storekit.Timeout(2*time.Minute), storekit.OnEvent(func(e storekit.Event) {
		if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == phase {
			cancel()
		}
	}))
	if ctx.Err() == nil || err == nil {
		t.Fatalf("want an operation that was interrupted at %s, got %v", phase, err)
	}
}

// interruptRestore begins to restore a store and ends the operation once the Job for it is there, whose name it returns.
func (h *harness) interruptRestore(t *testing.T, s spec.Store) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	restores, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).Watch(ctx, metav1.ListOptions{LabelSelector: "storeplatform.io/phase=restore"})
	if err != nil {
		t.Fatal(err)
	}
	defer restores.Stop()
	began := make(chan string, 1)
	go func() {
		if event := <-restores.ResultChan(); event.Object != nil {
			began <- event.Object.(metav1.Object).GetName() //nolint:forcetypeassert // a Job
		}
		cancel()
	}()
	if _, err := h.tryUp(ctx, program(s)); !errors.Is(err, context.Canceled) {
		t.Fatalf("want an operation that was interrupted, got %v", err)
	}
	return <-began
}
