package storekit_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// The node of these tests is simulated: no database hears of a new password. That a shop goes on working is tested on a real node, see
// test/node.

// secret is what a Secret of a store holds.
func (h *harness) secret(t *testing.T, s spec.Store, name string) map[string]string {
	t.Helper()
	live, err := h.cluster.Client().CoreV1().Secrets(s.Namespace()).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for key, value := range live.Data {
		out[key] = string(value)
	}
	return out
}

// passwords are the Secrets that a rotation may change.
func (h *harness) passwords(t *testing.T, s spec.Store) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, name := range []string{"credentials", "admin"} {
		for key, value := range h.secret(t, s, name) {
			out[name+" "+key] = value
		}
	}
	return out
}

// changedKeys are the keys whose values differ. The values are passwords, which no failure may show.
func changedKeys(before, after map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if before[key] != after[key] {
			out = append(out, key)
		}
	}
	return out
}

// userJobs are the Jobs on users of the database: verb and user, by name.
func (h *harness) userJobs(t *testing.T, s spec.Store) map[string]string {
	t.Helper()
	list, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).List(t.Context(), metav1.ListOptions{LabelSelector: "storeplatform.io/phase=rotate"})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, job := range list.Items {
		container := job.Spec.Template.Spec.Containers[0]
		i := slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "DATABASE_USER" })
		out[job.Name] = container.Args[0] + " " + container.Env[i].Value
	}
	return out
}

// newJobs are what the Jobs did that came since.
func newJobs(before, after map[string]string) []string {
	var out []string
	for name, did := range after {
		if before[name] == "" {
			out = append(out, did)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	medusa := spec.Medusa{Image: "registry.example.com/acme/medusa:2.21.2", AdminEmail: "shop@acme.example", Worker: true, Cache: true}
	given := spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example", AdminPassword: "chosen"}
	all := []string{"admin password", "credentials database-password", "credentials database-user"}
	for name, tc := range map[string]struct {
		reason string
		engine spec.Engine
		users  [2]string
		want   []string // keys that change
	}{
		"woocommerce": {"what was generated for people and the database changes, sessions stay", nil, [2]string{"wordpress", "wordpress_b"}, all},
		"medusa":      {"the cache and what signs sessions keep their secrets", medusa, [2]string{"medusa", "medusa_b"}, all},
		"given":       {"a password that the user chose is the user's to change", given, [2]string{"wordpress", "wordpress_b"}, all[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			if tc.engine != nil {
				s.Engine = tc.engine
			}
			s.Rotation = "first"
			h.up(t, program(s))
			if jobs := h.userJobs(t, s); len(jobs) > 0 {
				t.Fatalf("a store that is made rotates nothing: %v", jobs)
			}
			for round, rotation := range []string{"second", "third"} {
				before, jobs := h.passwords(t, s), h.userJobs(t, s)
				former, next := tc.users[round], tc.users[1-round]
				s.Rotation = rotation
				h.up(t, program(s))
				after := h.passwords(t, s)
				if diff := cmp.Diff(tc.want, changedKeys(before, after)); diff != "" {
					t.Errorf("%s: what rotation %q changed (-want +got):\n%s", tc.reason, rotation, diff)
				}
				if got := after["credentials database-user"]; got != next {
					t.Errorf("after rotation %q the shop logs in as %s, want %s", rotation, got, next)
				}
				if diff := cmp.Diff([]string{"admit " + next, "retire " + former}, newJobs(jobs, h.userJobs(t, s))); diff != "" {
					t.Errorf("Jobs of rotation %q (-want +got):\n%s", rotation, diff)
				}
				if h.secret(t, s, "rotation") != nil {
					t.Errorf("rotation %q left its Secret behind", rotation)
				}
				if again := h.preview(t, program(s)); !again.Empty() {
					t.Errorf("after rotation %q there is something to do:\n%s", rotation, again)
				}
			}
			before := h.passwords(t, s)
			s.Rotation = ""
			h.up(t, program(s))
			if got := changedKeys(before, h.passwords(t, s)); got != nil {
				t.Errorf("to leave it out rotates nothing: %v", got)
			}
		})
	}
}

// The pods of the Jobs get passwords by reference alone.
func TestRotationShowsNoPassword(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("quiet")
	h.up(t, program(s))
	secrets := h.passwords(t, s)
	s.Rotation = "new"
	var said strings.Builder
	preview := h.preview(t, program(s))
	if _, err := h.fleet.Up(t.Context(), preview, storekit.Progress(&said)); err != nil {
		t.Fatal(err)
	}
	maps.Copy(secrets, h.passwords(t, s))
	jobs, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	shown := preview.String() + said.String() + jobs.String()
	for key, value := range secrets {
		if strings.HasSuffix(key, "password") && strings.Contains(shown, value) {
			t.Errorf("%s is shown", key)
		}
	}
}

// A rotation that is killed goes on where it was, with the same passwords: one user is let in, and only the former one is locked out.
func TestRotationIsResumed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("killed")
	h.up(t, program(s))
	users := []string{"wordpress", "wordpress_b"}
	for round, tc := range []struct {
		name, method, path string // the request whose answer is the last
		reason             string
	}{
		{"Secret", http.MethodPatch, "/secrets/rotation", "nobody knows the new password yet"},
		{"admit", http.MethodPost, "/jobs", "the Job may or may not have done it"},
		{"credentials", http.MethodPatch, "/secrets/credentials", "new pods use the new user, the administrator has the old password"},
		{"admin", http.MethodPatch, "/secrets/admin", "the pods that run do not know of it"},
		{"release", http.MethodPatch, "/deployments/web", "Helm has not recorded that it is done"},
		{"drop", http.MethodDelete, "/secrets/rotation", "it is all done, but not on record"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, jobs := h.passwords(t, s), h.userJobs(t, s)
			s.Rotation = tc.name
			if err := h.killedAfter(t, tc.method, tc.path, program(s)); err == nil {
				t.Fatal("the first run should have been killed")
			}
			half, begun := h.passwords(t, s), h.secret(t, s, "rotation")
			if got := h.preview(t, program(s)).Steps[0].Action; got != storekit.Resume {
				t.Fatalf("%s: want it resumed, got %s", tc.reason, got)
			}
			h.up(t, program(s))
			after := h.passwords(t, s)
			former, next := users[round%2], users[(round+1)%2]
			if got := after["credentials database-user"]; got != next {
				t.Errorf("%s: the shop logs in as %s, want %s", tc.reason, got, next)
			}
			if begun != nil && (after["credentials database-password"] != begun["database-password"] || after["admin password"] != begun["password"]) {
				t.Errorf("%s: the second run made other passwords than the first", tc.reason)
			}
			if begun == nil && !maps.Equal(half, after) {
				t.Errorf("%s: the second run changed %v", tc.reason, changedKeys(half, after))
			}
			if got := changedKeys(before, after); len(got) != 3 {
				t.Errorf("%s: changed were %v", tc.reason, got)
			}
			all := newJobs(jobs, h.userJobs(t, s))
			if diff := cmp.Diff([]string{"admit " + next, "retire " + former}, all); diff != "" {
				t.Errorf("%s: Jobs of both runs (-want +got):\n%s", tc.reason, diff)
			}
			if h.secret(t, s, "rotation") != nil {
				t.Errorf("%s: its Secret is left behind", tc.reason)
			}
			if again := h.preview(t, program(s)); !again.Empty() {
				t.Errorf("%s: there is something to do:\n%s", tc.reason, again)
			}
		})
	}
}

// killedAfter applies a program over a connection that ends with the answer to one request.
func (h *harness) killedAfter(t *testing.T, method, path string, p *storekit.Program) error {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var dead atomic.Bool
	config := rest.CopyConfig(h.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if dead.Load() && !strings.Contains(req.URL.Path, "/leases/") { // else the next run would wait for the end of the lock
				return nil, errors.New("killed")
			}
			response, err := next.RoundTrip(req)
			if req.Method == method && strings.HasSuffix(req.URL.Path, path) && req.URL.Query().Get("dryRun") == "" {
				dead.Store(true)
				kill()
			}
			return response, err
		})
	})
	fleet := h.connect(t, config)
	preview, err := fleet.Preview(ctx, p)
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	_, err = fleet.Up(ctx, preview, storekit.Progress(io.Discard))
	return err
}

// A rotation that is rolled back leaves the shop with the passwords that it handed out: the next one makes others.
func TestRotationAfterOneThatWasRolledBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("twice")
	s.Rotation = "first"
	h.up(t, program(s))
	broken := withEngine(s, func(w *spec.WooCommerce) { w.Registry = "registry.example.com/never-pull" })
	broken.Rotation = "second"
	h.undone(t, broken, 45*time.Second)
	h.up(t, program(s))
	before, jobs := h.passwords(t, s), h.userJobs(t, s)
	s.Rotation = "third"
	h.up(t, program(s))
	if got := changedKeys(before, h.passwords(t, s)); len(got) != 3 {
		t.Errorf("changed were %v", got)
	}
	if diff := cmp.Diff([]string{"admit wordpress", "retire wordpress_b"}, newJobs(jobs, h.userJobs(t, s))); diff != "" {
		t.Errorf("Jobs of the rotation (-want +got):\n%s", diff)
	}
}

// The pod of a CronJob that is held up before it begins, as after an update that was rolled back, knows no password: no rotation waits for it.
func TestRotationBesideAPodThatNeverBegan(t *testing.T) {
	t.Parallel()
	for name, image := range map[string]string{"image": "example.com/never-pull:1", "node": "example.com/unschedulable:1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce("held-" + name)
			h.up(t, program(s))
			client := h.cluster.Client()
			cron, err := client.BatchV1().CronJobs(s.Namespace()).Get(t.Context(), "cron", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
				Name: "held", Labels: cron.Spec.JobTemplate.Labels, Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
			}, Spec: cron.Spec.JobTemplate.Spec}
			job.Spec.Template.Spec.Containers[0].Image = image
			if _, err := client.BatchV1().Jobs(s.Namespace()).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			held := func(ctx context.Context) (bool, error) {
				pods, err := client.CoreV1().Pods(s.Namespace()).List(ctx, metav1.ListOptions{LabelSelector: "job-name=held"})
				if err != nil {
					return false, err
				}
				return slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
					waiting := slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
						return s.State.Waiting != nil && s.State.Waiting.Reason == "ImagePullBackOff"
					})
					unscheduled := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Reason == corev1.PodReasonUnschedulable })
					return waiting || unscheduled
				}), nil
			}
			if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, held); err != nil {
				t.Fatalf("the pod is not held up: %v", err)
			}
			before := h.passwords(t, s)
			s.Rotation = "now"
			h.up(t, program(s))
			if got := changedKeys(before, h.passwords(t, s)); len(got) != 3 {
				t.Errorf("changed were %v", got)
			}
			if still, err := held(t.Context()); err != nil || !still {
				t.Errorf("the pod is held up no more (error %v): the rotation may have waited for it", err)
			}
		})
	}
}

// A shop that is not ready keeps its passwords: it could not be told whether it works with others.
func TestRotationOfAnUnreadyStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("unready")
	h.up(t, program(s))
	before := h.passwords(t, s)
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Unschedulable)
	if err := h.cluster.Client().CoreV1().Pods(s.Namespace()).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=web",
	}); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		state, err := h.fleet.Get(ctx, s.Name)
		return err == nil && !state.Ready, err
	})
	if err != nil {
		t.Fatalf("the store never became unready: %v", err)
	}
	rotated := s
	rotated.Rotation = "now"
	_, err = h.tryUp(t.Context(), program(rotated))
	var failed *storekit.StepError
	if !errors.As(err, &failed) || failed.Phase != "rotate" || len(failed.Causes) == 0 || failed.Causes[0].Object.String() != "Deployment/web" {
		t.Fatalf("want a refusal that names the workload, got %v", err)
	}
	if got := changedKeys(before, h.passwords(t, s)); got != nil || h.secret(t, s, "rotation") != nil {
		t.Errorf("changed were %v", got)
	}
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Healthy)
	h.up(t, program(s))
	h.up(t, program(rotated))
	if got := changedKeys(before, h.passwords(t, s)); len(got) != 3 {
		t.Errorf("when the shop is ready again it is rotated; changed were %v", got)
	}
}

// A store that stays at a revision keeps its pods, which therefore cannot take up another password.
func TestRotationOfAStoreAtARevision(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("pinned")
	h.up(t, program(s))
	before := h.passwords(t, s)
	s.RollbackTo = 1
	h.up(t, program(s))
	s.Rotation = "now"
	_, err := h.tryUp(t.Context(), program(s))
	if fields := spec.FieldErrorsOf(err); len(fields) != 1 || fields[0].Path != "rotation" {
		t.Errorf("want a refusal that names rotation, got %v", err)
	}
	if got := changedKeys(before, h.passwords(t, s)); got != nil {
		t.Errorf("changed were %v", got)
	}
	s.RollbackTo = 0
	h.up(t, program(s))
	if got := changedKeys(before, h.passwords(t, s)); len(got) != 3 {
		t.Errorf("without rollback_to it is rotated; changed were %v", got)
	}
}
