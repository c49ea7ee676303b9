package storekit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// editor changes one store the way people do with kubectl.
type editor struct {
	client    dynamic.Interface
	namespace string
}

type edit func(context.Context) error

func (h *harness) editor(t *testing.T, s spec.Store) editor {
	t.Helper()
	client, err := dynamic.NewForConfig(h.config)
	if err != nil {
		t.Fatal(err)
	}
	return editor{client, s.Namespace()}
}

func (e editor) in(kind string) dynamic.ResourceInterface {
	gvr, namespaced := schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, true
	if kind != "HorizontalPodAutoscaler" {
		gvr, namespaced = kube.KnownKind(kind).GroupVersionResource(), kube.KnownKind(kind).Namespaced
	}
	if !namespaced {
		return e.client.Resource(gvr)
	}
	return e.client.Resource(gvr).Namespace(e.namespace)
}

// patch sends a merge patch, a JSON patch when body is a list, and a strategic one when it begins with that word.
func (e editor) patch(kind, name, body string, subresources ...string) edit {
	return func(ctx context.Context) error {
		pt := types.MergePatchType
		if strings.HasPrefix(body, "[") {
			pt = types.JSONPatchType
		}
		body, strategic := strings.CutPrefix(body, "strategic ")
		if strategic {
			pt = types.StrategicMergePatchType
		}
		_, err := e.in(kind).Patch(ctx, name, pt, []byte(body), metav1.PatchOptions{FieldManager: "kubectl-edit"}, subresources...)
		return err
	}
}

// apply is kubectl apply --server-side --force-conflicts.
func (e editor) apply(kind, name, body string) edit {
	return func(ctx context.Context) error {
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(body), &o.Object); err != nil {
			return err
		}
		o.SetGroupVersionKind(kube.KnownKind(kind).GroupVersionKind)
		o.SetName(name)
		_, err := e.in(kind).Apply(ctx, name, o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		return err
	}
}

func (e editor) remove(kind, name string) edit {
	return func(ctx context.Context) error {
		background := metav1.DeletePropagationBackground
		return e.in(kind).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	}
}

func (e editor) create(kind, name, body string) edit {
	return func(ctx context.Context) error {
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(body), &o.Object); err != nil {
			return err
		}
		o.SetGroupVersionKind(kube.KnownKind(kind).GroupVersionKind)
		o.SetName(name)
		_, err := e.in(kind).Create(ctx, o, metav1.CreateOptions{FieldManager: "kubectl-create"})
		return err
	}
}

// change names changes as a preview shows them: the object and its field.
func changed(changes []spec.Change) []string {
	var out []string
	for _, change := range changes {
		out = append(out, strings.TrimSpace(change.Object.String()+" "+change.Path))
	}
	return out
}

// differing names the objects of a store that are not as desired.
func differing(state *storekit.State) []string {
	var out []string
	for key, text := range state.Objects {
		if _, ok := storekit.DesiredDigest(text); !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// Each thing that somebody changes is exactly one entry of the preview and of the state, is repaired, and then nothing is left
// to do.
func TestDrift(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("drift")
	p := program(s)
	made := h.up(t, p).Stores[s.Name]
	e := h.editor(t, s)
	install := ""
	for key := range made.Objects {
		if name, ok := strings.CutPrefix(key, "Job/"); ok {
			install = name
		}
	}
	container := func(fields string) string {
		return `strategic {"spec":{"template":{"spec":{"containers":[{"name":"web",` + fields + `}]}}}}`
	}
	const web = "Deployment/web spec.template.spec."
	for name, tc := range map[string]struct {
		reason string
		tamper edit
		want   string // the object, and the path of the change
	}{
		"quota deleted":           {"a quota gone is a tenant without bounds", e.remove("ResourceQuota", "services"), "ResourceQuota/services"},
		"quota raised":            {"a quota is raised by hand", e.patch("ResourceQuota", "services", `{"spec":{"hard":{"limits.cpu":"64"}}}`), "ResourceQuota/services spec.hard.limits.cpu"},
		"quota key removed":       {"a bound is lifted", e.patch("ResourceQuota", "services", `{"spec":{"hard":{"pods":null}}}`), "ResourceQuota/services spec.hard.pods"},
		"quota key added":         {"server-side apply alone does not see additions", e.patch("ResourceQuota", "objects", `{"spec":{"hard":{"count/pods":"1"}}}`), "ResourceQuota/objects spec.hard.count/pods"},
		"quota beside ours":       {"a quota of somebody else starves the shop", e.create("ResourceQuota", "tight", `{"spec":{"hard":{"pods":"1"}}}`), "ResourceQuota/tight"},
		"limits raised":           {"the default of containers is raised", e.patch("LimitRange", "defaults", `[{"op":"replace","path":"/spec/limits/0/default/memory","value":"8Gi"}]`), "LimitRange/defaults spec.limits[0].default.memory"},
		"limits deleted":          {"containers without limits are refused by the quota", e.remove("LimitRange", "defaults"), "LimitRange/defaults"},
		"limits beside ours":      {"limits of somebody else refuse the shop's pods", e.create("LimitRange", "other", `{"spec":{"limits":[{"type":"Container","max":{"memory":"64Mi"}}]}}`), "LimitRange/other"},
		"policy widened":          {"a rule is added to default deny", e.patch("NetworkPolicy", "default-deny", `{"spec":{"ingress":[{}]}}`), "NetworkPolicy/default-deny spec.ingress"},
		"policy narrowed":         {"default deny for some pods only", e.patch("NetworkPolicy", "default-deny", `{"spec":{"podSelector":{"matchLabels":{"app":"x"}}}}`), "NetworkPolicy/default-deny spec.podSelector"},
		"policy rule appended":    {"every address beside the DNS", e.patch("NetworkPolicy", "dns", `[{"op":"add","path":"/spec/egress/-","value":{}}]`), "NetworkPolicy/dns spec.egress[1]"},
		"policy direction":        {"outgoing traffic is no longer denied", e.patch("NetworkPolicy", "default-deny", `{"spec":{"policyTypes":["Ingress"]}}`), "NetworkPolicy/default-deny spec.policyTypes[1]"},
		"policy deleted":          {"a policy gone opens the store", e.remove("NetworkPolicy", "dns"), "NetworkPolicy/dns"},
		"policy beside ours":      {"a policy of somebody else opens the store", e.create("NetworkPolicy", "open", `{"spec":{"podSelector":{},"ingress":[{}]}}`), "NetworkPolicy/open"},
		"owner label":             {"the store is given to somebody else", e.patch("Namespace", s.Namespace(), `{"metadata":{"labels":{"storeplatform.io/owner":"thief"}}}`), "Namespace/" + s.Namespace() + " metadata.labels.storeplatform.io/owner"},
		"owner label removed":     {"the store belongs to nobody", e.patch("Namespace", s.Namespace(), `{"metadata":{"labels":{"storeplatform.io/owner":null}}}`), "Namespace/" + s.Namespace() + " metadata.labels.storeplatform.io/owner"},
		"label of ours added":     {"our labels are ours alone", e.patch("Namespace", s.Namespace(), `{"metadata":{"labels":{"storeplatform.io/extra":"x"}}}`), "Namespace/" + s.Namespace() + " metadata.labels.storeplatform.io/extra"},
		"pod security label":      {"the standard is weakened", e.patch("Namespace", s.Namespace(), `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}`), "Namespace/" + s.Namespace() + " metadata.labels.pod-security.kubernetes.io/enforce"},
		"service account":         {"a token for every pod", e.patch("ServiceAccount", "store", `{"automountServiceAccountToken":true}`), "ServiceAccount/store automountServiceAccountToken"},
		"service account secrets": {"a pull secret of somebody else", e.patch("ServiceAccount", "store", `{"imagePullSecrets":[{"name":"x"}]}`), "ServiceAccount/store imagePullSecrets"},
		"credentials deleted":     {"a user name is removed", e.patch("Secret", "admin", `{"data":{"username":null}}`), "Secret/admin data.username"},
		"credentials added":       {"a key of somebody else in our Secret", e.patch("Secret", "admin", `{"stringData":{"backdoor":"x"}}`), "Secret/admin data.backdoor"},
		"deployment scaled":       {"somebody scales the shop", e.patch("Deployment", "web", `{"spec":{"replicas":2}}`), "Deployment/web spec.replicas"},
		"deployment stopped":      {"kubectl scale goes through the scale subresource", e.patch("Deployment", "web", `{"spec":{"replicas":0}}`, "scale"), "Deployment/web spec.replicas"},
		"deployment deleted":      {"the shop is gone", e.remove("Deployment", "web"), "Deployment/web"},
		"image":                   {"another image", e.patch("Deployment", "web", container(`"image":"registry.example.com/evil:1"`)), web + "containers[name=web].image"},
		"resources":               {"more memory than planned", e.patch("Deployment", "web", container(`"resources":{"limits":{"memory":"700Mi"}}`)), web + "containers[name=web].resources.limits.memory"},
		"root file system":        {"a writable root file system", e.patch("Deployment", "web", container(`"securityContext":{"readOnlyRootFilesystem":false}`)), web + "containers[name=web].securityContext.readOnlyRootFilesystem"},
		"sidecar":                 {"a container of somebody else in the pod", e.patch("Deployment", "web", `strategic {"spec":{"template":{"spec":{"containers":[{"name":"sidecar","image":"example.com/x:1","env":[{"name":"HARMLESS","value":"canary-7f3a"}]}]}}}}`), web + "containers[name=sidecar]"},
		"init container":          {"an init container of somebody else", e.patch("Deployment", "web", `strategic {"spec":{"template":{"spec":{"initContainers":[{"name":"early","image":"example.com/x:1"}]}}}}`), web + "initContainers[name=early]"},
		"environment added":       {"a variable of somebody else", e.patch("Deployment", "web", container(`"env":[{"name":"FOO","value":"bar"}]`)), web + "containers[name=web].env[name=FOO]"},
		"volume":                  {"a volume of somebody else", e.patch("Deployment", "web", `strategic {"spec":{"template":{"spec":{"volumes":[{"name":"extra","emptyDir":{}}]}}}}`), web + "volumes[name=extra]"},
		"mount removed":           {"one of several mounts of a volume is gone", e.patch("Deployment", "web", container(`"volumeMounts":[{"$patch":"delete","mountPath":"/etc/apache2/ports.conf"}]`)), web + "containers[name=web].volumeMounts[mountPath=/etc/apache2/ports.conf]"},
		"mount added":             {"a mount of somebody else", e.patch("Deployment", "web", container(`"volumeMounts":[{"name":"tmp","mountPath":"/theirs"}]`)), web + "containers[name=web].volumeMounts[mountPath=/theirs]"},
		"host network":            {"the pods leave their policies", e.patch("Deployment", "web", `{"spec":{"template":{"spec":{"hostNetwork":true}}}}`), web + "hostNetwork"},
		"node selector":           {"the shop is pinned to a node", e.patch("Deployment", "web", `{"spec":{"template":{"spec":{"nodeSelector":{"disk":"fast"}}}}}`), web + "nodeSelector"},
		"label of pods":           {"policies and services select by labels of pods", e.patch("Deployment", "web", `{"spec":{"template":{"metadata":{"labels":{"example.com/open":"yes"}}}}}`), "Deployment/web spec.template.metadata.labels.example.com/open"},
		"database stopped":        {"the database is scaled to nothing", e.patch("StatefulSet", "database", `{"spec":{"replicas":0}}`), "StatefulSet/database spec.replicas"},
		"service port":            {"the service points elsewhere", e.patch("Service", "web", `[{"op":"replace","path":"/spec/ports/0/targetPort","value":9999}]`), "Service/web spec.ports[name=http].targetPort"},
		"service selector":        {"the service selects nothing", e.patch("Service", "web", `{"spec":{"selector":{"example.com/x":"y"}}}`), "Service/web spec.selector.example.com/x"},
		"service deleted":         {"the shop cannot be reached", e.remove("Service", "web"), "Service/web"},
		"configuration added":     {"a file of somebody else", e.patch("ConfigMap", "files", `{"data":{"added":"x"}}`), "ConfigMap/files data.added"},
		"configuration changed":   {"a file of the shop is edited", e.patch("ConfigMap", "settings", `{"data":{"SHOP_TITLE":"Evil"}}`), "ConfigMap/settings data.SHOP_TITLE"},
		"configuration removed":   {"a file of the shop is gone", e.patch("ConfigMap", "settings", `{"data":{"SHOP_LOCALE":null}}`), "ConfigMap/settings data.SHOP_LOCALE"},
		"cron suspended":          {"nothing happens on time any more", e.patch("CronJob", "cron", `{"spec":{"suspend":true}}`), "CronJob/cron spec.suspend"},
		"cron schedule":           {"the clock is changed", e.patch("CronJob", "cron", `{"spec":{"schedule":"0 0 1 1 *"}}`), "CronJob/cron spec.schedule"},
		"install job deleted":     {"the record of the installation is gone", e.remove("Job", install), "Job/" + install},
		"ingress deleted":         {"the shop is not reachable", e.remove("Ingress", "store"), "Ingress/store"},
		"ingress host":            {"the shop answers to another name", e.patch("Ingress", "store", `[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.test"}]`), "Ingress/store spec.rules[0].host"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.tamper(t.Context()); err != nil {
				t.Fatalf("tamper: %v", err)
			}
			preview := h.preview(t, p)
			if diff := cmp.Diff([]string{tc.want}, changed(preview.Steps[0].Changes)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
			state, err := h.fleet.Get(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			object, _, _ := strings.Cut(tc.want, " ")
			if diff := cmp.Diff([]string{object}, differing(state)); diff != "" {
				t.Errorf("%s: objects that differ in state (-want +got)\n%s", tc.reason, diff)
			}
			if shown := preview.String() + state.Objects[object]; strings.Contains(shown, "canary") {
				t.Errorf("%s: the value of a variable is shown:\n%s", tc.reason, shown)
			}
			h.up(t, p)
			if again := h.preview(t, p); !again.Empty() {
				t.Errorf("%s: not repaired:\n%s", tc.reason, again)
			}
			if state, err := h.fleet.Get(t.Context(), s.Name); err != nil || state.Release.Revision != 1 {
				t.Errorf("%s: a repair made a release revision (error %v)", tc.reason, err)
			}
		})
	}
}

// What others may do with a store is no change of it.
func TestHarmless(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("harmless")
	p := program(s)
	h.up(t, p)
	e := h.editor(t, s)
	for name, tc := range map[string]struct {
		reason  string
		happens edit
	}{
		"annotation":           {"an annotation of another tool is its own", e.patch("Deployment", "web", `{"metadata":{"annotations":{"example.com/note":"x"}}}`)},
		"annotation namespace": {"cluster managers annotate every namespace", e.patch("Namespace", s.Namespace(), `{"metadata":{"annotations":{"field.cattle.io/projectId":"c-1:p-1"}}}`)},
		"annotation service":   {"load balancers note things on services", e.patch("Service", "web", `{"metadata":{"annotations":{"example.com/balancer":"x"}}}`)},
		"annotation ingress":   {"ingress controllers note things on ingresses", e.patch("Ingress", "store", `{"metadata":{"annotations":{"example.com/synced":"x"}}}`)},
		"annotation claim":     {"backup tools mark volumes", e.patch("PersistentVolumeClaim", "content", `{"metadata":{"annotations":{"backup.example.com/last":"x"}}}`)},
		"annotation quota":     {"monitoring marks quotas", e.patch("ResourceQuota", "services", `{"metadata":{"annotations":{"example.com/alert":"x"}}}`)},
		"label namespace":      {"a label of another tool is its own", e.patch("Namespace", s.Namespace(), `{"metadata":{"labels":{"example.com/team":"x"}}}`)},
		"label deployment":     {"cost tools label workloads", e.patch("Deployment", "web", `{"metadata":{"labels":{"example.com/cost-center":"x"}}}`)},
		"rollout restart":      {"kubectl rollout restart annotates the pods", e.patch("Deployment", "web", `strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`)},
		"cores respelt":        {"2000m is 2", e.patch("ResourceQuota", "services", `{"spec":{"hard":{"limits.cpu":"2000m"}}}`)},
		"memory respelt":       {"4096Mi is 4Gi", e.patch("ResourceQuota", "services", `{"spec":{"hard":{"limits.memory":"4096Mi"}}}`)},
		"same value":           {"somebody sets what we set", e.patch("Deployment", "web", `{"spec":{"replicas":1}}`)},
		"same value applied":   {"somebody applies what we set, and owns it too", e.apply("Deployment", "web", `{"spec":{"replicas":1}}`)},
		"default applied":      {"somebody applies what is the default anyway", e.apply("Deployment", "web", `{"spec":{"progressDeadlineSeconds":600}}`)},
		"status":               {"a status is no wish", e.patch("ResourceQuota", "services", `{"status":{"used":{"pods":"3"}}}`, "status")},
		"configuration beside": {"a ConfigMap of somebody else", e.create("ConfigMap", "theirs", `{"data":{"a":"b"}}`)},
		"secret beside":        {"a Secret of somebody else", e.create("Secret", "theirs", `{"stringData":{"a":"b"}}`)},
		"account beside":       {"a service account of somebody else", e.create("ServiceAccount", "theirs", `{}`)},
		"service beside":       {"a Service of somebody else", e.create("Service", "theirs", `{"spec":{"ports":[{"port":80}]}}`)},
		"pods deleted": {"a pod is made anew by its controller", func(ctx context.Context) error {
			return e.in("Pod").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=web"})
		}},
		"job from the cron job":  {"kubectl create job --from runs the clock now", e.create("Job", "by-hand", `{"metadata":{"annotations":{"cronjob.kubernetes.io/instantiate":"manual"}},"spec":{"activeDeadlineSeconds":60,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"x","image":"example.com/x:1"}]}}}}`)},
		"annotation of a secret": {"a tool that mirrors Secrets marks them", e.patch("Secret", "admin", `{"metadata":{"annotations":{"reflector.example.com/auto":"x"}}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.happens(t.Context()); err != nil {
				t.Fatalf("happen: %v", err)
			}
			if preview := h.preview(t, p); !preview.Empty() {
				t.Errorf("%s:\n%s", tc.reason, preview)
			}
			state, err := h.fleet.Get(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := differing(state); len(got) > 0 {
				t.Errorf("%s: %v differ in state", tc.reason, got)
			}
		})
	}
}

// Annotations of others cost nothing: a tool that marks every namespace must not turn each store into a suspect.
func TestForeignMetadataIsScreened(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("marked")
	p := program(s)
	h.up(t, p)
	e := h.editor(t, s)
	for _, mark := range []edit{
		e.patch("Namespace", s.Namespace(), `{"metadata":{"annotations":{"field.cattle.io/projectId":"c-1:p-1"},"labels":{"example.com/team":"x"}}}`),
		e.patch("Deployment", "web", `{"metadata":{"annotations":{"example.com/note":"x"}}}`),
	} {
		if err := mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	config := recording(h.config, func(req *http.Request) {
		if req.Method != http.MethodGet {
			t.Errorf("%s %s", req.Method, req.URL.Path)
		}
	})
	preview, err := h.connect(t, config).Preview(t.Context(), p)
	if err != nil || !preview.Empty() {
		t.Errorf("error %v, preview:\n%s", err, preview)
	}
}

// What a store lets others change is neither shown nor repaired, and survives an update of the store.
func TestIgnoredDrift(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("ignore")
	s.Plan = spec.Premium // room for what others add
	s.Ignore = []string{"Deployment/web: spec.replicas", "NetworkPolicy/extra", "Deployment/web: spec.template.spec.containers[name=sidecar]"}
	p := program(s)
	h.up(t, p)
	e := h.editor(t, s)
	for _, one := range []edit{
		e.patch("Deployment", "web", `{"spec":{"replicas":2}}`),
		e.create("NetworkPolicy", "extra", `{"spec":{"podSelector":{},"ingress":[{}]}}`),
		e.patch("Deployment", "web", `strategic {"spec":{"template":{"spec":{"containers":[{"name":"sidecar","image":"example.com/x:1","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}}}`),
	} {
		if err := one(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if preview := h.preview(t, p); !preview.Empty() {
		t.Errorf("ignored drift is shown:\n%s", preview)
	}
	s.Engine = spec.WooCommerce{Title: "Beta", AdminEmail: "shop@acme.example"} // makes a release revision
	h.up(t, program(s))
	web, err := e.in("Deployment").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	replicas, _, _ := unstructured.NestedInt64(web.Object, "spec", "replicas")
	containers, _, _ := unstructured.NestedSlice(web.Object, "spec", "template", "spec", "containers")
	if replicas != 2 || len(containers) != 2 {
		t.Errorf("an update took ignored fields back: %d replicas, %d containers", replicas, len(containers))
	}
	if preview := h.preview(t, program(s)); !preview.Empty() {
		t.Errorf("not empty after the update:\n%s", preview)
	}
	s.Ignore = nil
	want := []string{"Deployment/web spec.replicas", "Deployment/web spec.template.spec.containers[name=sidecar]", "NetworkPolicy/extra"}
	if diff := cmp.Diff(want, changed(h.preview(t, program(s)).Steps[0].Changes)); diff != "" {
		t.Errorf("no longer ignored: (-want +got)\n%s", diff)
	}
	h.up(t, program(s))
	if preview := h.preview(t, program(s)); !preview.Empty() {
		t.Errorf("not empty after the repair:\n%s", preview)
	}
}

// A release that another tool upgraded is one entry, with its revision and who did it.
func TestForeignRevision(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("helm")
	p := program(s)
	h.up(t, p)
	secrets := h.cluster.Client().CoreV1().Secrets(s.Namespace())
	first, err := secrets.Get(t.Context(), "sh.helm.release.v1.store.v1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sh.helm.release.v1.store.v2", Labels: first.Labels}, Type: first.Type}
	second.Labels["version"] = "2"
	second.Data = map[string][]byte{"release": nextRevision(t, first.Data["release"])}
	if _, err := secrets.Create(t.Context(), second, metav1.CreateOptions{FieldManager: "helm"}); err != nil {
		t.Fatal(err)
	}
	preview := h.preview(t, p)
	if diff := cmp.Diff([]string{"Release/store revision"}, changed(preview.Steps[0].Changes)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if text := preview.String(); !strings.Contains(text, "Release/store: revision = 2 (deployed), want as in revision 1 (set by helm at ") {
		t.Errorf("preview: %s", text)
	}
	state := h.up(t, p).Stores[s.Name]
	if got := differing(state); len(got) > 0 || !h.preview(t, p).Empty() {
		t.Errorf("not repaired: %v", got)
	}
}

// nextRevision is a release record as revision 2: base64 of gzip of JSON, as Helm keeps it.
func nextRevision(t *testing.T, record []byte) []byte {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(string(record))
	if err != nil {
		t.Fatal(err)
	}
	unpacker, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	release := make(map[string]any)
	if err := json.NewDecoder(unpacker).Decode(&release); err != nil {
		t.Fatal(err)
	}
	release["version"] = 2
	var out bytes.Buffer
	packer := gzip.NewWriter(&out)
	if err := errors.Join(json.NewEncoder(packer).Encode(release), packer.Close()); err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(out.Bytes()))
}

// Replicas belong to the autoscaler that a store declares: what it does is no drift, costs no look, and survives an update.
func TestAutoscalerOfTheStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("scaled")
	s.Host, s.Engine = "", spec.Chart{Source: "testdata/scaled"}
	h.up(t, program(s))
	e := h.editor(t, s)
	scaled := func() {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			front, err := e.in("Deployment").Get(ctx, "front", metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			replicas, _, err := unstructured.NestedInt64(front.Object, "spec", "replicas")
			return replicas == 3, err
		})
		if err != nil {
			t.Fatalf("the autoscaler did not scale: %v", err)
		}
	}
	scaled()
	reads := recording(h.config, func(req *http.Request) {
		if req.Method != http.MethodGet {
			t.Errorf("a preview after the autoscaler asked %s %s", req.Method, req.URL.Path)
		}
	})
	preview, err := h.connect(t, reads).Preview(t.Context(), program(s))
	if err != nil || !preview.Empty() {
		t.Errorf("error %v, preview:\n%s", err, preview)
	}
	s.Engine = spec.Chart{Source: "testdata/scaled", Values: map[string]any{"more": "x"}} // makes a release revision
	h.up(t, program(s))
	front, err := e.in("Deployment").Get(t.Context(), "front", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if replicas, _, _ := unstructured.NestedInt64(front.Object, "spec", "replicas"); replicas != 3 {
		t.Errorf("an update set %d replicas", replicas)
	}
	if preview := h.preview(t, program(s)); !preview.Empty() {
		t.Errorf("after the update:\n%s", preview)
	}
}

// What an adopted namespace held stays as it is: while the store runs, when it is looked at, and when it goes.
func TestAdoptionKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("adopted")
	e := h.editor(t, s)
	h.namespace(t, s.Name, nil)
	theirs := map[string]edit{
		"NetworkPolicy/theirs": e.create("NetworkPolicy", "theirs", `{"spec":{"podSelector":{"matchLabels":{"app":"theirs"}},"ingress":[{}]}}`),
		"ResourceQuota/theirs": e.create("ResourceQuota", "theirs", `{"spec":{"hard":{"count/services":"90"}}}`),
		"LimitRange/theirs":    e.create("LimitRange", "theirs", `{"spec":{"limits":[{"type":"Pod","max":{"memory":"64Gi"}}]}}`),
		"ConfigMap/theirs":     e.create("ConfigMap", "theirs", `{"data":{"a":"b"}}`),
		"Secret/theirs":        e.create("Secret", "theirs", `{"stringData":{"a":"b"}}`),
	}
	for key, create := range theirs {
		if err := create(t.Context()); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	s.Adopt = true
	preview := h.preview(t, program(s))
	var keeps []string
	if adopts := preview.Steps[0].Adopts; adopts != nil {
		for _, ref := range adopts.Keeps {
			keeps = append(keeps, ref.String())
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(theirs)), keeps); diff != "" {
		t.Errorf("what the preview says will stay (-want +got)\n%s", diff)
	}
	h.up(t, program(s))
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("what was there is drift:\n%s", again)
	}
	if err := e.create("NetworkPolicy", "later", `{"spec":{"podSelector":{},"ingress":[{}]}}`)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"NetworkPolicy/later"}, changed(h.preview(t, program(s)).Steps[0].Changes)); diff != "" {
		t.Errorf("what came later (-want +got)\n%s", diff)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name)), storekit.Timeout(time.Minute)); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	for key := range theirs {
		kind, name, _ := strings.Cut(key, "/")
		if _, err := e.in(kind).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Errorf("%s after the store: %v", key, err)
		}
	}
	if _, err := e.in("NetworkPolicy").Get(t.Context(), "default-deny", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("our policy after the store: %v", err)
	}
}

// A release that was there before is upgraded to the store's; what only it had stays, also when the store goes.
func TestAdoptionKeepsWhatAReleaseHeld(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("release")
	e := h.editor(t, s)
	h.namespace(t, s.Name, nil)
	cluster, err := kube.New(h.config, "storeplatform")
	if err != nil {
		t.Fatal(err)
	}
	chart, err := release.LoadPath("testdata/chart")
	if err != nil {
		t.Fatal(err)
	}
	helm := release.NewEngine(cluster.Config, "storeplatform", cluster.Discovery, cluster.Mapper)
	if _, err := helm.Install(t.Context(), release.Request{Name: "store", Namespace: s.Namespace(), Chart: chart, Values: map[string]any{"replicas": 0}}); err != nil {
		t.Fatal(err)
	}
	s.Adopt = true
	h.up(t, program(s))
	if again := h.preview(t, program(s)); !again.Empty() {
		t.Errorf("after the adoption:\n%s", again)
	}
	old := func(when string) {
		t.Helper()
		for _, kind := range []string{"Deployment", "Service"} {
			if _, err := e.in(kind).Get(t.Context(), "front", metav1.GetOptions{}); err != nil {
				t.Errorf("%s of the old release %s: %v", kind, when, err)
			}
		}
	}
	old("after the adoption")
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name)), storekit.Timeout(time.Minute)); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	old("after the store")
}

// A field that somebody takes away while an operation runs has no owner that would tell. It is drift all the same.
func TestRemovalDuringAnOperation(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("race")
	e := h.editor(t, s)
	for _, step := range []struct {
		reason string
		change func(*spec.Store)
		tamper edit
		want   string
	}{
		{
			"of what the operation wrote", func(*spec.Store) {},
			e.patch("NetworkPolicy", "dns", `[{"op":"remove","path":"/spec/egress/0"}]`), "NetworkPolicy/dns spec.egress",
		},
		{
			"of what the operation left alone", func(s *spec.Store) { s.Host = "other-" + s.Host },
			e.patch("ResourceQuota", "services", `{"spec":{"hard":{"pods":null}}}`), "ResourceQuota/services spec.hard.pods",
		},
		{
			"of a Secret", func(s *spec.Store) { s.Host = "third-" + s.Host },
			e.patch("Secret", "admin", `{"data":{"username":null}}`), "Secret/admin data.username",
		},
	} {
		step.change(&s)
		tampered := false
		fleet := h.disturbed(t, func(req *http.Request, send http.RoundTripper) (*http.Response, error) {
			exposes := req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, "/ingresses/store") && req.URL.Query().Get("dryRun") == ""
			if exposes && !tampered {
				tampered = true
				if err := step.tamper(req.Context()); err != nil {
					return nil, err
				}
			}
			return send.RoundTrip(req)
		})
		if _, err := upWith(t, fleet, s); err != nil || !tampered {
			t.Fatalf("%s: tampered %t, Up: %v", step.reason, tampered, err)
		}
		if diff := cmp.Diff([]string{step.want}, changed(h.preview(t, program(s)).Steps[0].Changes)); diff != "" {
			t.Errorf("removal %s: (-want +got)\n%s", step.reason, diff)
		}
		h.up(t, program(s))
		if again := h.preview(t, program(s)); !again.Empty() {
			t.Errorf("removal %s is not repaired:\n%s", step.reason, again)
		}
	}
}
