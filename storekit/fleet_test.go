package storekit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// harness is a clean fleet on the test cluster.
type harness struct {
	cluster *testcluster.Cluster
	config  *rest.Config
	fleet   *storekit.Fleet
	name    string // of the fleet; names of stores start with it, for namespaces are the cluster's
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	cluster := testcluster.Start(t)
	h := &harness{cluster: cluster, config: rest.CopyConfig(cluster.RESTConfig), name: cluster.Fleet(t)}
	h.fleet = h.connect(t, h.config)
	return h
}

func (h *harness) connect(t *testing.T, config *rest.Config) *storekit.Fleet {
	t.Helper()
	client, err := storekit.Connect(config, storekit.WithDNSServers(h.cluster.DNS))
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	return client.Fleet(h.name)
}

// woocommerce is a store that can be deleted with its data.
func (h *harness) woocommerce(suffix string) spec.Store {
	name := h.name + "-" + suffix
	return spec.Store{
		Name: name, Owner: "team", Host: name + ".example.test", AllowDeletion: true, Retention: spec.DeleteData,
		Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"},
	}
}

func (h *harness) up(t *testing.T, p *storekit.Program) *storekit.Result {
	t.Helper()
	result, err := h.tryUp(t.Context(), p)
	if err != nil {
		t.Fatalf("Up: %v", err)
	}
	return result
}

func (h *harness) tryUp(ctx context.Context, p *storekit.Program) (*storekit.Result, error) {
	preview, err := h.fleet.Preview(ctx, p)
	if err != nil {
		return nil, err
	}
	return h.fleet.Up(ctx, preview, storekit.Timeout(2*time.Minute))
}

func (h *harness) preview(t *testing.T, p *storekit.Program) *storekit.Preview {
	t.Helper()
	preview, err := h.fleet.Preview(t.Context(), p)
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	return preview
}

func program(stores ...spec.Store) *storekit.Program {
	p := new(storekit.Program)
	for _, s := range stores {
		p.AddStore(s)
	}
	return p
}

func TestStoreLifecycle(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for name, engine := range map[string]spec.Engine{
		"woo":    spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"},
		"medusa": spec.Medusa{Image: "registry.example.com/acme/medusa:2.21.2", AdminEmail: "shop@acme.example", Worker: true},
		"chart":  spec.Chart{Source: "testdata/chart", Service: "front", Port: 80, Target: 8080},
	} {
		t.Run(name, func(t *testing.T) {
			s := h.woocommerce(name)
			s.Engine = engine
			p := program(s)
			if got := h.preview(t, p).Steps[0].Action; got != storekit.Create {
				t.Fatalf("first preview: want create, got %s", got)
			}
			result := h.up(t, p)
			requests := result.Requests - result.Waiting
			t.Logf("%s: %d requests besides waiting", name, requests)
			// The budget of the product: at most 70 requests for a store, beside those of the first look at the cluster.
			if requests > 70 {
				t.Errorf("create took %d requests, at most 70 are allowed", requests)
			}
			state := result.Stores[s.Name]
			if !state.Ready || !state.Complete || len(state.Drift) > 0 || state.Release.Status != "deployed" {
				t.Errorf("state after Up: %+v", state)
			}
			if state.URL != "https://"+s.Host {
				t.Errorf("URL: %q", state.URL)
			}
			again := h.preview(t, p)
			if !again.Empty() {
				t.Errorf("second preview is not empty:\n%s", again)
			}
			if diff := cmp.Diff(again.Steps[0].Objects, state.Objects); diff != "" {
				t.Errorf("objects of the preview and of the state differ (-preview +state):\n%s", diff)
			}
			idle, err := h.fleet.Up(t.Context(), again)
			if err != nil || idle.Requests != 0 {
				t.Errorf("an Up with nothing to do sent %d requests (error %v)", idle.Requests, err)
			}
			if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name)), storekit.Timeout(time.Minute)); err != nil {
				t.Fatalf("Destroy: %v", err)
			}
			if _, err := h.fleet.Get(t.Context(), s.Name); !errors.Is(err, storekit.ErrNotFound) {
				t.Errorf("Get after Destroy: want ErrNotFound, got %v", err)
			}
		})
	}
}

func TestUpdateInPlace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("update")
	before := h.up(t, program(s)).Stores[s.Name]
	for name, tc := range map[string]struct {
		reason  string
		change  func(*spec.Store)
		upgrade bool // makes a release revision
	}{
		"plan":     {"a larger plan changes the quota and nothing of the chart", func(s *spec.Store) { s.Plan = spec.Premium }, false},
		"owner":    {"an owner is a label", func(s *spec.Store) { s.Owner = "other" }, false},
		"egress":   {"a profile is a policy", func(s *spec.Store) { s.Egress = spec.EgressNone }, false},
		"title":    {"a title reaches the pods through the chart", func(s *spec.Store) { s.Engine = spec.WooCommerce{Title: "Beta", AdminEmail: "shop@acme.example"} }, true},
		"host":     {"a host is an ingress and an address of the shop", func(s *spec.Store) { s.Host = "new-" + s.Host }, true},
		"withdraw": {"a store without a host has no ingress", func(s *spec.Store) { s.Host = "" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := s
			tc.change(&changed)
			p := program(changed)
			preview := h.preview(t, p)
			if got := preview.Steps[0]; got.Action != storekit.Update || len(got.Why) == 0 {
				t.Fatalf("%s: want an update with a reason, got %s %v", tc.reason, got.Action, got.Why)
			}
			state := h.up(t, p).Stores[s.Name]
			if state.UID != before.UID {
				t.Errorf("%s: the namespace was replaced", tc.reason)
			}
			if again := h.preview(t, p); !again.Empty() {
				t.Errorf("%s: not empty after the update:\n%s", tc.reason, again)
			}
			back := h.up(t, program(s)).Stores[s.Name]
			if moved := back.Release.Revision > before.Release.Revision; moved != tc.upgrade {
				t.Errorf("%s: revision %d -> %d", tc.reason, before.Release.Revision, back.Release.Revision)
			}
			before = back
		})
	}
}

func TestFieldManagers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("managers")
	h.up(t, program(s))
	allowed := []string{"storeplatform", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "testcluster", "kwok"}
	for _, object := range h.objects(t, s.Namespace()) {
		var managers []string
		for _, entry := range object.GetManagedFields() {
			if entry.Subresource == "" {
				managers = append(managers, entry.Manager)
			}
		}
		slices.Sort(managers)
		managers = slices.Compact(managers)
		t.Logf("%-22s %-45s %s", object.GetKind(), object.GetName(), strings.Join(managers, ", "))
		for _, manager := range managers {
			if !slices.Contains(allowed, manager) {
				t.Errorf("%s/%s has fields of %q", object.GetKind(), object.GetName(), manager)
			}
		}
	}
}

// objects reads every object of a namespace, whatever its kind.
func (h *harness) objects(t *testing.T, namespace string) []unstructured.Unstructured {
	t.Helper()
	client, err := kubernetes.NewForConfig(h.config)
	if err != nil {
		t.Fatal(err)
	}
	all, err := dynamic.NewForConfig(h.config)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := client.Discovery().ServerPreferredNamespacedResources()
	if err != nil {
		t.Fatal(err)
	}
	var out []unstructured.Unstructured
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") {
				continue
			}
			gv, err := schema.ParseGroupVersion(list.GroupVersion)
			if err != nil {
				t.Fatal(err)
			}
			items, err := all.Resource(gv.WithResource(resource.Name)).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue
			}
			if err != nil {
				t.Fatalf("list %s: %v", resource.Name, err)
			}
			out = append(out, items.Items...)
		}
	}
	return out
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const canary = "CANARY-7c1f0b5e"
	s := h.woocommerce("canary")
	s.Engine = spec.WooCommerce{
		Title: "Acme", AdminEmail: "shop@acme.example", AdminPassword: canary + "-admin",
		SMTP: &spec.SMTP{Host: "mail.example.test", User: "shop", Password: canary + "-smtp", From: "shop@acme.example"},
	}
	p := program(s)
	preview := h.preview(t, p)
	var events bytes.Buffer
	result, err := h.fleet.Up(t.Context(), preview, storekit.Progress(&events), storekit.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"preview": preview.String(), "preview as data": fmt.Sprintf("%+v", preview.Steps), "events": events.String(), "state": string(state), "spec": fmt.Sprintf("%+v %#v", s, s),
	} {
		if strings.Contains(text, canary) {
			t.Errorf("the %s shows a secret", what)
		}
	}
	holders := map[string]bool{"Secret/admin": true, "Secret/smtp": true}
	for _, object := range h.objects(t, s.Namespace()) {
		key := object.GetKind() + "/" + object.GetName()
		data, err := json.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		if !holders[key] && holds(t, data, canary) {
			t.Errorf("%s shows a secret", key)
		}
		if holders[key] && !holds(t, data, canary) {
			t.Errorf("%s does not hold the given secret: this test could not fail", key)
		}
	}
}

func TestGivenSecretsAreComparedWithoutBeingKept(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("given")
	give := func(password spec.Secret) *storekit.Program {
		s.Engine = spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example", AdminPassword: password}
		return program(s)
	}
	h.up(t, give("first"))
	if again := h.preview(t, give("first")); !again.Empty() {
		t.Errorf("the same password is a change:\n%s", again)
	}
	if again := h.preview(t, give("")); !again.Empty() {
		t.Errorf("a password that is not given stays as it was:\n%s", again)
	}
	if preview := h.preview(t, give("second")); preview.Steps[0].Action != storekit.Update || strings.Contains(preview.String(), "second") {
		t.Errorf("another password must be an update that does not show it:\n%s", preview)
	}
	h.up(t, give("second"))
	secret, err := h.cluster.Client().CoreV1().Secrets(s.Namespace()).Get(t.Context(), "admin", metav1.GetOptions{})
	if err != nil || string(secret.Data["password"]) != "second" {
		t.Errorf("the password was not written (error %v)", err)
	}
	if again := h.preview(t, give("second")); !again.Empty() {
		t.Errorf("not empty after the update:\n%s", again)
	}
}

// holds looks for text in data as it is, in base64, and in what Helm packs: base64 twice around gzip.
func holds(t *testing.T, data []byte, text string) bool {
	t.Helper()
	if bytes.Contains(data, []byte(text)) {
		return true
	}
	var secret struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(data, &secret); err != nil {
		return false // the data of other kinds need not be text
	}
	for _, value := range secret.Data {
		decoded, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			continue
		}
		if bytes.Contains(decoded, []byte(text)) || bytes.Contains(unpacked(decoded), []byte(text)) {
			return true
		}
	}
	return false
}

func TestOwnership(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("mine")
	core, err := kubernetes.NewForConfig(h.config)
	if err != nil {
		t.Fatal(err)
	}
	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace(), Labels: map[string]string{"team": "other"}}}
	if _, err := core.CoreV1().Namespaces().Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := core.CoreV1().Namespaces().Delete(context.Background(), s.Namespace(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("clean up: %v", err)
		}
	})
	if _, err := h.fleet.Preview(t.Context(), program(s)); !errors.Is(err, storekit.ErrNotOwned) {
		t.Errorf("a foreign namespace: want ErrNotOwned, got %v", err)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name))); !errors.Is(err, storekit.ErrNotOwned) {
		t.Errorf("destroy of a foreign namespace: want ErrNotOwned, got %v", err)
	}
	s.Adopt = true
	h.up(t, program(s))
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name))); err != nil {
		t.Fatalf("destroy of an adopted store: %v", err)
	}
	left, err := core.CoreV1().Namespaces().Get(t.Context(), s.Namespace(), metav1.GetOptions{})
	if err != nil {
		t.Fatalf("the adopted namespace is gone: %v", err)
	}
	if left.Labels["storeplatform.io/fleet"] != "" || left.Labels["team"] != "other" {
		t.Errorf("labels of the namespace after the store: %v", left.Labels)
	}
}

// Leave to adopt is no proof of adoption: a namespace that we made goes with its store.
func TestAdoptWithNothingToAdopt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("fresh")
	s.Adopt = true
	h.up(t, program(s))
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name)), storekit.Timeout(time.Minute)); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	if _, err := h.cluster.Client().CoreV1().Namespaces().Get(t.Context(), s.Namespace(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace that the store was made with is still there (error %v)", err)
	}
}

// Who takes a failed update back gets the store as it was, without traces of the revision that failed.
func TestFailedUpdateIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("back")
	before := program(s)
	h.up(t, before)
	with := s
	with.Engine = spec.WooCommerce{
		Title: "Acme", AdminEmail: "shop@acme.example", SMTP: &spec.SMTP{Host: "mail.example.test", From: "shop@acme.example", Password: "x"},
	}
	reads := atomic.Int64{}
	broken := rest.CopyConfig(h.config)
	broken.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/replicasets") { // only the wait reads them
				reads.Add(1)
				return nil, errors.New("the connection broke after the release, while it was waited for")
			}
			return next.RoundTrip(req)
		})
	})
	failing := h.connect(t, broken)
	preview, err := failing.Preview(t.Context(), program(with))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := failing.Up(t.Context(), preview, storekit.Timeout(6*time.Second)); err == nil || reads.Load() == 0 {
		t.Fatalf("the update was to fail while it waited (%d reads, error %v)", reads.Load(), err)
	}
	h.up(t, before)
	web, err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod, err := json.Marshal(web.Spec.Template.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(pod)), "smtp") {
		t.Errorf("the pod still has traces of the failed revision: %s", pod)
	}
	if again := h.preview(t, before); !again.Empty() {
		t.Errorf("not empty after the update was taken back:\n%s", again)
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s, other := h.woocommerce("guard"), h.woocommerce("other")
	s.AllowDeletion = false
	h.up(t, program(s))
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name))); !errors.Is(err, storekit.ErrProtected) {
		t.Errorf("destroy of a protected store: want ErrProtected, got %v", err)
	}
	if _, err := h.fleet.Preview(t.Context(), program()); !errors.Is(err, storekit.ErrProtected) {
		t.Errorf("a program without a protected store: want ErrProtected, got %v", err)
	}
	other.Host = s.Host
	if _, err := h.tryUp(t.Context(), program(s, other)); !errors.Is(err, storekit.ErrHostClaimed) {
		t.Errorf("two stores with one host: want ErrHostClaimed, got %v", err)
	}
	s.AllowDeletion = true
	h.up(t, program(s))
	if _, err := h.fleet.Destroy(t.Context(), storekit.Timeout(time.Minute)); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	for state, err := range h.fleet.All(t.Context()) {
		t.Errorf("left after Destroy: %v (error %v)", state, err)
	}
}

func TestFailureNamesTheCause(t *testing.T) {
	for name, tc := range map[string]struct {
		reason    string
		behaviour testcluster.Behaviour
		code      string
	}{
		"image": {"an image that cannot be pulled is named", testcluster.NeverPull, "image-pull"},
		"crash": {"a container that ends again and again is named", testcluster.CrashLoop, "crash-loop"},
		"oom":   {"a container over its memory limit is named", testcluster.OutOfMemory, "out-of-memory"},
		"job":   {"a failed installation is named", testcluster.JobFails, "job-attempt-failed"},
		"node":  {"a pod that fits no node shows the scheduler's words", testcluster.Unschedulable, "unschedulable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			h.cluster.Misbehave(t, s.Namespace(), tc.behaviour)
			preview := h.preview(t, program(s))
			result, err := h.fleet.Up(t.Context(), preview, storekit.Timeout(20*time.Second))
			var failed *storekit.StepError
			if !errors.As(err, &failed) {
				t.Fatalf("%s: want a StepError, got %v", tc.reason, err)
			}
			if !slices.ContainsFunc(failed.Causes, func(c spec.Cause) bool { return c.Code == tc.code && c.Fix != "" }) {
				t.Errorf("%s: no cause %s in:\n%v", tc.reason, tc.code, failed)
			}
			state := result.Stores[s.Name]
			if state == nil || state.Complete || state.Ready {
				t.Errorf("%s: the failed store must be tracked as incomplete: %+v", tc.reason, state)
			}
			if step := h.preview(t, program(s)).Steps[0]; step.Action != storekit.Resume {
				t.Errorf("%s: want the next preview to resume, got %s", tc.reason, step.Action)
			}
		})
	}
}

func TestResumeAfterFailure(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("resume")
	var fail func(*http.Request) bool
	broken := rest.CopyConfig(h.config)
	broken.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if fail != nil && fail(req) {
				return &http.Response{
					StatusCode: http.StatusInternalServerError, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
					Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`)),
				}, nil
			}
			return next.RoundTrip(req)
		})
	})
	good := h.fleet
	h.fleet = h.connect(t, broken)
	writes := 0
	fail = func(req *http.Request) bool {
		if req.Method == http.MethodGet || !strings.Contains(req.URL.Path, s.Namespace()) && !strings.HasSuffix(req.URL.Path, "/namespaces") {
			return false
		}
		writes++
		return writes == 22 // in the middle of the release
	}
	result, err := h.tryUp(t.Context(), program(s))
	if err == nil {
		t.Fatalf("the injected failure did not fail Up (%d writes)", writes)
	}
	if result.Stores[s.Name] == nil {
		t.Fatalf("a half made store must be in the result: %v", err)
	}
	h.fleet = good
	state := h.up(t, program(s)).Stores[s.Name]
	if !state.Ready || state.Release.Status != "deployed" {
		t.Errorf("after resuming: %+v", state)
	}
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("not empty after resuming:\n%s", again)
	}
}

func TestPlansAndDomains(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("dom")
	host := "shop-" + h.name + ".acme.example"
	build := func(plan spec.Plan) (*storekit.Program, *storekit.Domain) {
		p := new(storekit.Program)
		s.Plan = p.AddPlan(plan)
		p.AddStore(s)
		return p, p.AddDomain(spec.Domain{Store: s.Name, Host: host})
	}
	p, domain := build(spec.Plan{Name: "gold", CPU: "3"})
	h.up(t, p)
	if records, known := domain.Records.Known(); !known || len(records) == 0 || records[0].Value != testcluster.Address {
		t.Errorf("records of the domain: %v (known %t)", records, known)
	}
	if again := h.preview(t, p); !again.Empty() {
		t.Errorf("not empty:\n%s", again)
	}
	p, _ = build(spec.Plan{Name: "gold", CPU: "4"})
	var actions []string
	for _, step := range h.preview(t, p).Steps {
		actions = append(actions, fmt.Sprintf("%s %s", step.Action, step.Target.Kind))
	}
	if diff := cmp.Diff([]string{"update plan", "update store", "none domain"}, actions); diff != "" {
		t.Errorf("a changed plan reaches its store in the same run (-want +got):\n%s", diff)
	}
	h.up(t, p)
	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil || state.Quota["limits.cpu"].Hard != "4" {
		t.Errorf("quota after the plan changed: %v (error %v)", state.Quota["limits.cpu"], err)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.PlanTarget("gold"))); !errors.Is(err, storekit.ErrInUse) {
		t.Errorf("destroy of a plan in use: want ErrInUse, got %v", err)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.DomainTarget(host))); err != nil {
		t.Errorf("destroy of a domain: %v", err)
	}
	if _, err := h.fleet.Domain(t.Context(), host); !errors.Is(err, storekit.ErrNotFound) {
		t.Errorf("a destroyed domain: want ErrNotFound, got %v", err)
	}
}

func TestMistakesSurfaceTogether(t *testing.T) {
	h := newHarness(t)
	p := program(spec.Store{Name: "Bad_Name", Owner: "", Plan: "huge"}, spec.Store{Name: "ok", Owner: "team", Engine: spec.Medusa{Image: "x:latest", AdminEmail: "no"}})
	_, err := h.fleet.Preview(t.Context(), p)
	if err == nil {
		t.Fatal("a program full of mistakes passed")
	}
	for _, want := range []string{"Bad_Name", "owner", "engine", "latest", "admin_email"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s:\n%v", want, err)
		}
	}
}

func TestSharedReads(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var stores []spec.Store
	for i := range 3 {
		stores = append(stores, h.woocommerce(fmt.Sprint("s", i)))
	}
	h.up(t, program(stores...))
	counts := make(map[string]int)
	counting := rest.CopyConfig(h.config)
	counting.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			counts[req.Method]++
			return next.RoundTrip(req)
		})
	})
	client, err := storekit.Connect(counting, storekit.WithSharedReads())
	if err != nil {
		t.Fatal(err)
	}
	fleet := client.Fleet(h.name)
	for _, s := range stores {
		preview, err := fleet.Preview(t.Context(), program(s), storekit.Only(storekit.StoreTarget(s.Name)), storekit.NoPrune())
		if err != nil || !preview.Empty() {
			t.Errorf("preview of %s: %v\n%v", s.Name, err, preview)
		}
		if _, err := fleet.Get(t.Context(), s.Name); err != nil {
			t.Error(err)
		}
	}
	total := 0
	for method := range maps.Keys(counts) {
		if method != http.MethodGet {
			t.Errorf("a preview sent %d %s", counts[method], method)
		}
		total += counts[method]
	}
	t.Logf("%d requests for %d stores", total, len(stores))
	if total > 40 {
		t.Errorf("%d requests: reads are not shared", total)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// unpacked undoes Helm's packing of a release record; it returns nothing for other data.
func unpacked(data []byte) []byte {
	inner, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		return nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(inner))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(reader)
	if err != nil {
		return nil
	}
	return out
}
