package storekit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// statefulSet has a volume from a template, whose claim Kubernetes makes without the labels of the store.
const statefulSet = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: db, image: registry.example.com/db:1, volumeMounts: [{name: data, mountPath: /data}],
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// disturbed is the fleet on a connection that does something else with some requests.
func (h *harness) disturbed(t *testing.T, disturb func(req *http.Request, send http.RoundTripper) (*http.Response, error)) *storekit.Fleet {
	t.Helper()
	config := rest.CopyConfig(h.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) { return disturb(req, next) })
	})
	return h.connect(t, config)
}

func upWith(t *testing.T, fleet *storekit.Fleet, s spec.Store, opts ...storekit.RunOption) (*storekit.Result, error) {
	t.Helper()
	preview, err := fleet.Preview(t.Context(), program(s), opts...)
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	return fleet.Up(t.Context(), preview, append(opts, storekit.Timeout(time.Minute))...)
}

func TestVolumesFromTemplatesOutliveTheStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "volumes", statefulSet)
	h.up(t, program(s))
	doomed, err := h.fleet.Preview(t.Context(), program())
	if err != nil {
		t.Fatal(err)
	}
	if removes := doomed.Steps[0].Removes; len(removes) != 1 || removes[0].String() != "PersistentVolumeClaim/data-db-0" {
		t.Errorf("the preview of a deletion with its data names %v", removes)
	}
	s.Retention = spec.RetainData
	h.up(t, program(s))
	result, err := h.fleet.Destroy(t.Context())
	if err != nil || len(result.Retained) != 1 {
		t.Fatalf("destroy retained %v, error %v", result.Retained, err)
	}
	volumes := h.cluster.Client().CoreV1().PersistentVolumes()
	volume, err := volumes.Get(t.Context(), result.Retained[0].Name, metav1.GetOptions{})
	if err != nil || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
		t.Fatalf("the volume after its store: policy %q, error %v", volume.Spec.PersistentVolumeReclaimPolicy, err)
	}
	if err := volumes.Delete(t.Context(), volume.Name, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// An API server that goes away in the middle of a create cannot be asked what is there.
func TestFailedCreateIsRememberedWithoutTheCluster(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("away")
	var away atomic.Bool
	fleet := h.disturbed(t, func(req *http.Request, send http.RoundTripper) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "/limitranges/") && req.Method == http.MethodPatch && req.URL.Query().Get("dryRun") == "" {
			away.Store(true)
		}
		if away.Load() {
			return nil, syscall.ECONNREFUSED
		}
		return send.RoundTrip(req)
	})
	result, err := upWith(t, fleet, s)
	if err == nil || !away.Load() {
		t.Fatalf("the create was to fail (error %v)", err)
	}
	state := result.Stores[s.Name]
	if state == nil || state.Spec.Name != s.Name || state.ClusterUID == "" || state.UID == "" || state.Complete || state.Failure == "" {
		t.Fatalf("what is known of the store: %+v", state)
	}
	if state := h.up(t, program(s)).Stores[s.Name]; !state.Ready {
		t.Errorf("the store after the next apply is not ready: %v", state.Causes)
	}
}

// The answer to a write can be lost on a write that has arrived.
func TestLostAnswerOfTheRecord(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		lost   int64 // of the writes of the record
	}{
		"begin": {reason: "the journal is there: the operation goes on", lost: 1},
		"done":  {reason: "the store is done and on record: nothing failed", lost: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s := h.woocommerce(name)
			var writes atomic.Int64
			fleet := h.disturbed(t, func(req *http.Request, send http.RoundTripper) (*http.Response, error) {
				record := strings.HasSuffix(req.URL.Path, "/secrets/storeplatform-record") && req.Method == http.MethodPatch
				resp, err := send.RoundTrip(req)
				if err == nil && record && writes.Add(1) == tc.lost {
					return nil, errors.Join(syscall.ECONNRESET, resp.Body.Close())
				}
				return resp, err
			})
			result, err := upWith(t, fleet, s)
			if err != nil || !result.Stores[s.Name].Complete || writes.Load() < tc.lost {
				t.Fatalf("%s: error %v after %d writes", tc.reason, err, writes.Load())
			}
			if again := h.preview(t, program(s)); !again.Empty() {
				t.Errorf("not empty:\n%s", again)
			}
		})
	}
}

// An API server may be too slow to make the objects of a release in the time that a cancel leaves.
func TestCancelLeavesNoReleasePending(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("slow")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fleet := h.disturbed(t, func(req *http.Request, send http.RoundTripper) (*http.Response, error) {
		if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/deployments") {
			return send.RoundTrip(req)
		}
		cancel()
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
	preview, err := fleet.Preview(t.Context(), program(s))
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	if _, err := fleet.Up(ctx, preview); !errors.Is(err, context.Canceled) {
		t.Fatalf("the create was to be cancelled, error %v", err)
	}
	records, err := h.cluster.Client().CoreV1().Secrets(s.Namespace()).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil || len(records.Items) != 1 {
		t.Fatalf("%d records of the release, want one; error %v", len(records.Items), err)
	}
	if status := records.Items[0].Labels["status"]; status != "failed" {
		t.Errorf("the release was left %s", status)
	}
	if state := h.up(t, program(s)).Stores[s.Name]; !state.Ready {
		t.Errorf("the store after the next apply is not ready: %v", state.Causes)
	}
}

func TestInterruptedDeletionIsNotRepaired(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "half", deployment(1, "", wellImage))
	h.up(t, program(s))
	fleet := h.disturbed(t, func(req *http.Request, send http.RoundTripper) (*http.Response, error) {
		if req.Method == http.MethodDelete && strings.HasSuffix(req.URL.Path, "/namespaces/"+s.Namespace()) {
			return nil, syscall.ECONNRESET
		}
		return send.RoundTrip(req)
	})
	if _, err := fleet.Destroy(t.Context()); err == nil {
		t.Fatal("the deletion was to fail")
	}
	if step := h.preview(t, program(s)).Steps[0]; step.Action != storekit.Resume || !strings.Contains(step.Why[0], "interrupted at delete") {
		t.Errorf("the preview says %s: %v", step.Action, step.Why)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := h.fleet.Reconcile(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reconcile: %v", err)
	}
	if _, err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Get(t.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the shop that was to go is back (error %v)", err)
	}
	if _, err := h.fleet.Destroy(t.Context()); err != nil {
		t.Errorf("the next deletion: %v", err)
	}
}

func TestLostRecord(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("lost")
	h.up(t, program(s))
	secrets := h.cluster.Client().CoreV1().Secrets(s.Namespace())
	if err := secrets.Delete(t.Context(), "storeplatform-record", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fleet.Destroy(t.Context()); !errors.Is(err, storekit.ErrProtected) {
		t.Errorf("a shop of which nobody knows whether it may go: %v", err)
	}
	s.RestoreFrom, s.OnFailure = "20260101t000000z", spec.UninstallFailed // was restored long ago
	state := h.up(t, program(s)).Stores[s.Name]
	last := state.Operations[len(state.Operations)-1]
	if !state.Ready || !strings.Contains(strings.Join(last.Decisions, "; "), "record of the store is lost") {
		t.Errorf("ready %t, decisions %v", state.Ready, last.Decisions)
	}
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("not empty:\n%s", again)
	}
}

// A record that is lost after an update that was cut off: the shop is the one of the revision before, and nobody knows whether it may go.
func TestLostRecordOfAnInterruptedUpdate(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("cut")
	h.up(t, program(s))
	renamed := withEngine(s, func(w *spec.WooCommerce) { w.Title = "Beta" })
	if err := h.killedAfter(t, http.MethodPost, "/secrets", program(renamed)); err == nil { // of the next revision
		t.Fatal("the update should have been killed")
	}
	if state := h.get(t, s); state.Release.Status != "pending-upgrade" {
		t.Fatalf("the release is %s", state.Release.Status)
	}
	if err := h.cluster.Client().CoreV1().Secrets(s.Namespace()).Delete(t.Context(), "storeplatform-record", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fleet.Destroy(t.Context()); !errors.Is(err, storekit.ErrProtected) {
		t.Errorf("a shop of which nobody knows whether it may go: %v", err)
	}
	renamed.RestoreFrom = "20260101t000000z" // was restored long ago
	if state := h.up(t, program(renamed)).Stores[s.Name]; !state.Ready {
		t.Errorf("not ready: %v", state.Causes)
	}
	if got := h.phases(t, s); slices.Contains(got, "restore") {
		t.Errorf("data were restored over those of the shop: %v", got)
	}
}

// One store's trouble is not that of the others: neither a kind that is no longer served nor a record that cannot be read.
func TestTroubleOfOneStoreStaysThere(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	group := h.name + ".example.com"
	crds := dynamic.NewForConfigOrDie(h.config).Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"plural": "widgets", "kind": "Widget"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{
				"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
		},
	}}
	if _, err := crds.Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	served := func(want bool) {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
			_, err := h.cluster.Client().Discovery().ServerResourcesForGroupVersion(group + "/v1")
			return (err == nil) == want, nil
		})
		if err != nil {
			t.Fatalf("Wait until widgets are served, or no longer: %v", err)
		}
	}
	served(true)
	s := h.failing(t, "widget", deployment(1, "", wellImage)+"---\napiVersion: "+group+"/v1\nkind: Widget\nmetadata: {name: one}\n")
	other := h.failing(t, "other", deployment(1, "", wellImage))
	h.fleet = h.connect(t, h.config)
	h.up(t, program(s, other))
	if err := crds.Delete(t.Context(), definition.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	served(false)
	h.fleet = h.connect(t, h.config)
	if state, err := h.fleet.Get(t.Context(), s.Name); err != nil || !slices.ContainsFunc(state.Causes, func(c spec.Cause) bool { return c.Object.Kind == "Widget" }) {
		t.Errorf("the store whose widget is gone: %+v, error %v", state, err)
	}
	shared, err := storekit.Connect(h.config, storekit.WithSharedReads())
	if err != nil {
		t.Fatal(err)
	}
	record := []byte(`{"data":{"record":"bm90IGEgcmVjb3Jk"}}`)
	secrets := h.cluster.Client().CoreV1().Secrets(s.Namespace())
	keep, err := secrets.Get(t.Context(), "storeplatform-record", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Patch(t.Context(), keep.Name, "application/merge-patch+json", record, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if state, err := shared.Fleet(h.name).Get(t.Context(), other.Name); err != nil || !state.Ready {
		t.Errorf("the other store: %+v, error %v", state, err)
	}
	if _, err := shared.Fleet(h.name).Get(t.Context(), s.Name); err == nil || !strings.Contains(err.Error(), "storeplatform-record") {
		t.Errorf("the store whose record cannot be read: %v", err)
	}
	restored, err := json.Marshal(map[string]any{"data": keep.Data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Patch(t.Context(), keep.Name, "application/merge-patch+json", restored, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fleet.Destroy(t.Context()); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

func TestChartsStayInTheirNamespace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	role := "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\nrules: []\n"
	elsewhere := "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs, namespace: default}\n"
	_, err := h.fleet.Preview(t.Context(), program(h.failing(t, "wide", deployment(1, "", wellImage)+role+elsewhere)))
	var wrong spec.FieldErrors
	if !errors.As(err, &wrong) || wrong[0].Path != "chart.source" {
		t.Fatalf("want an error about chart.source, got %v", err)
	}
	for _, words := range []string{"ClusterRole/all: it belongs to the whole cluster", "ConfigMap/theirs: it is meant for namespace default"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("the error does not say %q:\n%v", words, err)
		}
	}
}

// exposed gives stores of charts one host, which only one of them can have.
func (h *harness) exposed(stores ...*spec.Store) {
	for _, s := range stores {
		engine, _ := s.Engine.(spec.Chart)
		engine.Service, engine.Port = "web", 80
		s.Engine, s.Host = engine, h.name+".example.test"
	}
}

// deleteNamespace deletes the namespace of a store by hand, and waits until it is gone.
func (h *harness) deleteNamespace(t *testing.T, s spec.Store) {
	t.Helper()
	namespaces := h.cluster.Client().CoreV1().Namespaces()
	if err := namespaces.Delete(t.Context(), s.Namespace(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, s.Namespace(), metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hold gives the lock of a store to somebody else.
func (h *harness) hold(t *testing.T, s spec.Store, holder string) {
	t.Helper()
	patch := []byte(`{"spec":{"holderIdentity":"` + holder + `"}}`)
	leases := h.cluster.Client().CoordinationV1().Leases(systemNamespace)
	if _, err := leases.Patch(t.Context(), "store."+h.name+"."+s.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}

func TestHostOfAStoreThatIsGoneIsFree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		holder string // of the lock that the store has left
	}{
		"idle":   {reason: "nobody worked on it"},
		"killed": {reason: "a process that died keeps the lock until somebody takes it over, and nobody ever will", holder: "somebody@elsewhere/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			s, next := h.failing(t, "first", deployment(1, "", wellImage)), h.failing(t, "next", deployment(1, "", wellImage))
			h.exposed(&s, &next)
			h.up(t, program(s))
			preview, err := h.fleet.Preview(t.Context(), program(next), storekit.NoPrune())
			if err == nil {
				_, err = h.fleet.Up(t.Context(), preview)
			}
			if !errors.Is(err, storekit.ErrHostClaimed) {
				t.Fatalf("a host of a store that is there: %v", err)
			}
			if tc.holder != "" {
				h.hold(t, s, tc.holder)
			}
			h.deleteNamespace(t, s)
			if state := h.up(t, program(next)).Stores[next.Name]; !state.Ready {
				t.Errorf("%s: the next store that has the host is not ready: %v", tc.reason, state.Causes)
			}
		})
	}
}

// A store claims its host before it has a namespace: whoever is at work on it shows that by the lock.
func TestHostOfAStoreThatIsAboutToBeMade(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s, next := h.failing(t, "first", deployment(1, "", wellImage)), h.failing(t, "next", deployment(1, "", wellImage))
	h.exposed(&s, &next)
	h.up(t, program(s))
	h.deleteNamespace(t, s)
	h.hold(t, s, "somebody@elsewhere/1")
	preview, err := h.fleet.Preview(t.Context(), program(next), storekit.NoPrune())
	if err != nil {
		t.Fatalf("a preview does not wait to see who lives: %v", err)
	}
	_, err = h.fleet.Up(t.Context(), preview, storekit.OnEvent(func(e storekit.Event) {
		if progress, ok := e.(storekit.StepProgress); ok && len(progress.Waiting) > 0 && progress.Waiting[0].Code == "locked" {
			h.hold(t, s, "somebody@elsewhere/2")
		}
	}))
	if !errors.Is(err, storekit.ErrHostClaimed) {
		t.Errorf("a host of a store that somebody is about to make: %v", err)
	}
}

// `helm uninstall --keep-history` leaves a release that Helm itself does not upgrade.
func TestReleaseThatWasUninstalledByHand(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.failing(t, "uninstalled", deployment(1, "", wellImage))
	h.up(t, program(s))
	secrets := h.cluster.Client().CoreV1().Secrets(s.Namespace())
	secret, err := secrets.Get(t.Context(), "sh.helm.release.v1.store.v1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var release map[string]any
	if err := json.Unmarshal(unpacked(secret.Data["release"]), &release); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(release, "uninstalled", "info", "status"); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	secret.Data["release"] = []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))
	secret.Labels["status"] = "uninstalled"
	if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := h.cluster.Client().AppsV1().Deployments(s.Namespace()).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if state := h.up(t, program(s)).Stores[s.Name]; !state.Ready || state.Release.Status != "deployed" {
		t.Errorf("the store after the next apply: ready %t, release %+v", state.Ready, state.Release)
	}
}
