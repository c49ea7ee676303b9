package storekit_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// failing is a store whose chart has these objects.
func (h *harness) failing(t *testing.T, name, objects string) spec.Store {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: failing\nversion: 1.0.0\n", "templates/all.yaml": objects,
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := h.woocommerce(name)
	s.Host, s.Engine = "", spec.Chart{Source: dir}
	return s
}

// deployment is one that Pod Security lets in, with more fields of its pod and of its container.
func deployment(replicas int, pod, container string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {%s
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}},
      containers: [{name: web, %s
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}
`, replicas, pod, container)
}

// migration is a Job that tries once.
func migration(image string) string {
	return fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: migrate, image: %s, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`, image)
}

const wellImage = "image: registry.example.com/web:1,"

// failedUp is what an Up that failed told.
type failedUp struct {
	err      *storekit.StepError
	took     time.Duration
	reported map[string]time.Duration // when a cause was told first, since the wait began
}

func (f failedUp) codes() []string { return slices.Sorted(maps.Keys(f.reported)) }

func (f failedUp) cause(code string) (spec.Cause, bool) {
	i := slices.IndexFunc(f.err.Causes, func(c spec.Cause) bool { return c.Code == code })
	if i < 0 {
		return spec.Cause{}, false
	}
	return f.err.Causes[i], true
}

func failUp(t *testing.T, fleet *storekit.Fleet, s spec.Store, timeout time.Duration) failedUp {
	t.Helper()
	preview, err := fleet.Preview(t.Context(), program(s))
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	out := failedUp{reported: make(map[string]time.Duration)}
	var began time.Duration
	start := time.Now()
	_, err = fleet.Up(t.Context(), preview, storekit.Timeout(timeout), storekit.OnEvent(func(e storekit.Event) {
		progress, ok := e.(storekit.StepProgress)
		if !ok || progress.Phase != "ready" {
			return
		}
		if began == 0 {
			began = progress.Elapsed
		}
		for _, cause := range progress.Waiting {
			if _, told := out.reported[cause.Code]; !told {
				out.reported[cause.Code] = progress.Elapsed - began
			}
		}
	}))
	out.took = time.Since(start)
	if !errors.As(err, &out.err) {
		t.Fatalf("want a StepError, got %v", err)
	}
	return out
}

// What cannot be healed by waiting ends the wait, and is told as soon as it happens.
func TestHopelessWaitsEndEarly(t *testing.T) {
	t.Parallel()
	const timeout, prompt = 4 * time.Minute, 10 * time.Second
	for name, tc := range map[string]struct {
		reason   string
		objects  string
		class    string
		code     string
		evidence string
	}{
		"image": {reason: "a tag that does not exist", objects: deployment(1, "", "image: registry.example.com/never-pull:1,"), code: "image-pull", evidence: "registry.example.com/never-pull:1"},
		"quota": {reason: "more pods than the plan has", objects: deployment(40, "", wellImage), code: "quota-exceeded", evidence: "exceeded quota: services"},
		"limit": {reason: "a volume larger than the plan allows", code: "limit-range", evidence: "maximum storage usage", objects: `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: database}
spec:
  serviceName: database
  selector: {matchLabels: {app: database}}
  template:
    metadata: {labels: {app: database}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: database, image: registry.example.com/database:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 900Ti}}}
`},
		"class": {reason: "a storage class with a typing mistake", class: "no-such-class", code: "storage-class-missing", evidence: "no-such-class"},
		"job":   {reason: "a migration that fails", code: "job-failed", evidence: "BackoffLimitExceeded", objects: migration("registry.example.com/job-fails:1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			if s.Storage.Class = tc.class; tc.objects != "" {
				s = h.failing(t, name, tc.objects)
			}
			got := failUp(t, h.fleet, s, timeout)
			cause, found := got.cause(tc.code)
			if !found || !strings.Contains(cause.Evidence, tc.evidence) || cause.Fix == "" {
				t.Fatalf("%s: no cause %s that says %q in:\n%v", tc.reason, tc.code, tc.evidence, got.err)
			}
			t.Logf("%s: told after %s, ended after %s", tc.code, got.reported[tc.code], got.took)
			if got.took > timeout/2 {
				t.Errorf("%s: the wait took %s", tc.reason, got.took)
			}
			if told, ok := got.reported[tc.code]; !ok || told > prompt {
				t.Errorf("%s: told after %s (%t), at most %s are allowed; told were %v", tc.reason, told, ok, prompt, got.codes())
			}
		})
	}
}

// Pods that break Pod Security are refused at plan, with container and field, before anything is made.
func TestPodSecurityIsCheckedAtPlan(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "psa", deployment(1, "hostNetwork: true,", wellImage)+"---\n"+strings.ReplaceAll(migration("registry.example.com/m:1"), "drop: [ALL]", "add: [NET_ADMIN]"))
	_, err := h.fleet.Preview(t.Context(), program(s))
	fields := spec.FieldErrorsOf(err)
	if len(fields) != 1 || fields[0].Path != "chart.source" {
		t.Fatalf("want chart.source refused, got %v", err)
	}
	for _, part := range []string{"Deployment/web", "hostNetwork=true", "Job/migrate", `container "migrate" must set securityContext.capabilities.drop=["ALL"]`} {
		if !strings.Contains(fields[0].Allowed, part) {
			t.Errorf("the message does not say %q: %s", part, fields[0].Allowed)
		}
	}
}

// Pods that others break while they are awaited are explained.
func TestPodsThatOthersBreakAreExplained(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "broken", deployment(1, "", wellImage))
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Unschedulable)
	patched := sync.OnceFunc(func() {
		patch := []byte(`{"spec":{"template":{"spec":{"hostNetwork":true}}}}`)
		if _, err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
	})
	_, err := h.fleet.Up(t.Context(), h.preview(t, program(s)), storekit.Timeout(4*time.Minute), storekit.OnEvent(func(e storekit.Event) {
		if progress, ok := e.(storekit.StepProgress); ok && progress.Phase == "ready" {
			patched()
		}
	}))
	var failed *storekit.StepError
	if !errors.As(err, &failed) {
		t.Fatalf("want a StepError, got %v", err)
	}
	if !slices.ContainsFunc(failed.Causes, func(c spec.Cause) bool {
		return c.Code == "pod-security" && strings.Contains(c.Evidence, "hostNetwork")
	}) {
		t.Errorf("no cause says that Pod Security refuses the pods:\n%v", failed)
	}
}

// Every kind of workload that a chart can have becomes ready.
func TestEveryWorkloadIsAwaited(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	daemon := strings.NewReplacer("Deployment", "DaemonSet", "  replicas: 1\n", "", "name: web}", "name: agent}").Replace(deployment(1, "", wellImage))
	s := h.failing(t, "kinds", daemon+"---\n"+migration("registry.example.com/migrate:1")+"---\n"+deployment(1, "", wellImage))
	state := h.up(t, program(s)).Stores[s.Name]
	if !state.Ready {
		t.Errorf("not ready: %+v", state.Causes)
	}
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("the preview after it is not empty:\n%s", again)
	}
}

// A store that does not go says what holds it, and goes once that is away.
func TestDeletionSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "held", deployment(1, "", wellImage))
	h.up(t, program(s))
	maps := h.cluster.Client().CoreV1().ConfigMaps(s.Namespace())
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.com/hold"}}}
	if _, err := maps.Create(t.Context(), held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err := h.fleet.Destroy(t.Context(), storekit.Timeout(5*time.Second))
	var failed *storekit.StepError
	if !errors.As(err, &failed) || failed.Phase != "delete" {
		t.Fatalf("want the deletion to fail, got %v", err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %s with a timeout of 5 s", took)
	}
	if !slices.ContainsFunc(failed.Causes, func(c spec.Cause) bool {
		return c.Object.String() == "ConfigMap/held" && strings.Contains(c.Message, "example.com/hold") && c.Fix != ""
	}) {
		t.Errorf("the error does not name the object and its finalizer:\n%v", failed)
	}
	if _, err := maps.Patch(t.Context(), "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fleet.Destroy(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if _, err := h.fleet.Get(t.Context(), s.Name); !errors.Is(err, storekit.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

// Kubernetes never starts a failed Job again: the next apply makes it anew.
func TestFailedJobIsMadeAnew(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "again", migration("registry.example.com/migrate:1"))
	h.cluster.Misbehave(t, s.Namespace(), testcluster.JobFails)
	if _, found := failUp(t, h.fleet, s, time.Minute).cause("job-failed"); !found {
		t.Fatal("the job did not fail")
	}
	uid := func() types.UID {
		job, err := h.cluster.Client().BatchV1().Jobs(s.Namespace()).Get(t.Context(), "migrate", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return job.UID
	}
	before := uid()
	h.cluster.Misbehave(t, s.Namespace(), testcluster.Healthy)
	if state := h.up(t, program(s)).Stores[s.Name]; !state.Ready {
		t.Errorf("the store is not ready after its job was made anew: %+v", state.Causes)
	}
	if uid() == before {
		t.Error("it is the Job that had failed")
	}
}

// What may heal is waited for until the time is over, and then explained with what surrounds it.
func TestWaitsThatRunOutAreExplained(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		objects string
		class   string
		codes   []string
	}{
		"volume":  {reason: "a provisioner that does not answer", class: testcluster.NeverBindsClass, codes: []string{"claim-unbound", "unschedulable"}},
		"account": {reason: "pods that are refused for another reason", objects: deployment(1, "serviceAccountName: nobody,", wellImage), codes: []string{"pods-rejected"}},
		"network": {
			reason: "what leads nowhere is told beside what fails", codes: []string{"crash-loop", "service-without-endpoints", "ingress-class-missing", "ingress-without-service"},
			objects: deployment(1, "", "image: registry.example.com/crash-loop:1,") + `---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: extra}
spec:
  ingressClassName: no-such-class
  rules:
  - host: extra.example.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}]}
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			if s.Storage.Class = tc.class; tc.objects != "" {
				s = h.failing(t, name, tc.objects)
			}
			got := failUp(t, h.fleet, s, 15*time.Second)
			for _, code := range tc.codes {
				if _, found := got.cause(code); !found {
					t.Errorf("%s: no cause %s in:\n%v", tc.reason, code, got.err)
				}
			}
		})
	}
}

// The simulated node has no logs: they are served here, with a secret of the store in them.
func TestLogOfACrashIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-3b9d77aa"
	h := newHarness(t)
	s := h.woocommerce("log")
	s.Engine = spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example", AdminPassword: canary}
	h.cluster.Misbehave(t, s.Namespace(), testcluster.CrashLoop)
	var mu sync.Mutex
	asked := make(map[string]int)
	logs := rest.CopyConfig(h.config)
	logs.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(req.URL.Path, "/log") {
				return next.RoundTrip(req)
			}
			mu.Lock()
			defer mu.Unlock()
			asked[req.URL.String()]++
			return &http.Response{
				StatusCode: http.StatusOK, Request: req, Header: http.Header{"Content-Type": {"text/plain"}},
				Body: io.NopCloser(strings.NewReader(strings.Repeat("starting\n", 30) + "login as shop with " + canary + " failed\nSMTP_TOKEN=abc\n")),
			}, nil
		})
	})
	got := failUp(t, h.connect(t, logs), s, 15*time.Second)
	cause, found := got.cause("crash-loop")
	if !found {
		t.Fatalf("no crash loop in:\n%v", got.err)
	}
	if lines := strings.Split(cause.Log, "\n"); len(lines) != 20 || lines[18] != "login as shop with *** failed" || lines[19] != "SMTP_TOKEN=***" {
		t.Errorf("the log of the crash: %d lines\n%s", len(lines), cause.Log)
	}
	if strings.Contains(got.err.Error(), canary) || !strings.Contains(got.err.Error(), "| login as shop with ***") {
		t.Errorf("the error must show the log and no secret:\n%v", got.err)
	}
	for url, times := range asked {
		if times > 1 {
			t.Errorf("%s was asked for %d times", url, times)
		}
	}
}

// An API server that does not answer is a cause too, not just a time that is over.
func TestUnwatchableClusterIsNamed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("api")
	got := failUp(t, h.unwatchable(t), s, 8*time.Second)
	if cause, found := got.cause("api-timeout"); !found || !strings.Contains(cause.Evidence, "request did not complete") {
		t.Errorf("no cause api-timeout in:\n%v", got.err)
	}
}

// unwatchable is the fleet on an API server that does not answer in time what only a wait asks.
func (h *harness) unwatchable(t *testing.T) *storekit.Fleet {
	t.Helper()
	slow := rest.CopyConfig(h.config)
	slow.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(req.URL.Path, "/replicasets") { // only the wait reads them
				return next.RoundTrip(req)
			}
			return &http.Response{
				StatusCode: http.StatusGatewayTimeout, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Timeout","code":504,"message":"request did not complete"}`)),
			}, nil
		})
	})
	return h.connect(t, slow)
}
