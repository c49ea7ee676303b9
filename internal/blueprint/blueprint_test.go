package blueprint

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// typed decodes an object and fails on a field that its kind does not have.
func typed[T any](t *testing.T, o *unstructured.Unstructured) T {
	t.Helper()
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &out, true); err != nil {
		t.Fatalf("%s: %v", refOf(o), err)
	}
	return out
}

func objectsOf(b *Blueprint) []*unstructured.Unstructured {
	all := slices.Concat([]*unstructured.Unstructured{b.Namespace}, b.Guardrails, b.Exposure)
	for _, s := range b.Secrets {
		all = append(all, s.Object)
	}
	return all
}

func namesOf(objects []*unstructured.Unstructured) []string {
	var names []string
	for _, o := range objects {
		names = append(names, refOf(o).String())
	}
	return names
}

func TestForStoreObjects(t *testing.T) {
	bare := store(woo())
	bare.Host, bare.Egress = "", spec.EgressNone
	closed := store(spec.Chart{Source: "./chart"})
	closed.Host = ""

	base := []string{"ResourceQuota/services", "ResourceQuota/jobs", "ResourceQuota/objects", "LimitRange/defaults", "ServiceAccount/store", "NetworkPolicy/default-deny", "NetworkPolicy/dns"}
	wooFlows := []string{"NetworkPolicy/internal-database", "NetworkPolicy/internal-job", "NetworkPolicy/internal-web"}
	tests := map[string]struct {
		reason     string
		store      spec.Store
		env        *Environment
		guardrails []string
		exposure   []string
		secrets    []string
		deferred   []string
	}{
		"woocommerce": {
			reason:     "A known cluster leaves nothing out.",
			store:      store(woo()),
			env:        k3s(),
			guardrails: slices.Concat(base, wooFlows, []string{"NetworkPolicy/ingress-controller", "NetworkPolicy/acme-solver", "NetworkPolicy/egress"}),
			exposure:   []string{"Ingress/store"},
			secrets:    []string{"Secret/credentials", "Secret/admin"},
		},
		"woocommerce, unknown cluster": {
			reason:     "A plan before the cluster exists names exactly what it cannot show.",
			store:      store(woo()),
			guardrails: slices.Concat(base, wooFlows),
			secrets:    []string{"Secret/credentials", "Secret/admin"},
			deferred:   []string{"NetworkPolicy/ingress-controller", "NetworkPolicy/acme-solver", "NetworkPolicy/egress", "Ingress/store"},
		},
		"no host, no egress, unknown cluster": {
			reason:     "Without a host there is no Ingress; without egress only the setup may fetch the plugin.",
			store:      bare,
			guardrails: slices.Concat(base, wooFlows),
			secrets:    []string{"Secret/credentials", "Secret/admin"},
			deferred:   []string{"NetworkPolicy/ingress-controller", "NetworkPolicy/acme-solver", "NetworkPolicy/egress-setup"},
		},
		"medusa": {
			reason: "Worker and cache have flows of their own.",
			store:  store(medusa()),
			env:    k3s(),
			guardrails: slices.Concat(base, []string{
				"NetworkPolicy/internal-cache", "NetworkPolicy/internal-database", "NetworkPolicy/internal-job", "NetworkPolicy/internal-server", "NetworkPolicy/internal-worker",
				"NetworkPolicy/ingress-controller", "NetworkPolicy/acme-solver", "NetworkPolicy/egress",
			}),
			exposure: []string{"Ingress/store"},
			secrets:  []string{"Secret/credentials", "Secret/admin"},
		},
		"chart without a service": {
			reason:     "What has no Service has no visitors, and no certificate either.",
			store:      closed,
			env:        k3s(),
			guardrails: slices.Concat(base, []string{"NetworkPolicy/internal", "NetworkPolicy/egress"}),
		},
		"no ingress controller": {
			reason:     "Policies that admit nobody are left out; the Ingress waits for a controller.",
			store:      store(woo()),
			env:        &Environment{},
			guardrails: slices.Concat(base, wooFlows, []string{"NetworkPolicy/egress"}),
			exposure:   []string{"Ingress/store"},
			secrets:    []string{"Secret/credentials", "Secret/admin"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ForStore("production", tc.store, tc.env)
			if err != nil {
				t.Fatal(err)
			}
			var secrets, deferred []string
			for _, s := range b.Secrets {
				secrets = append(secrets, refOf(s.Object).String())
			}
			for _, ref := range b.Deferred {
				deferred = append(deferred, ref.String())
				if ref.Namespace != "store-acme" || ref.APIVersion != "networking.k8s.io/v1" {
					t.Errorf("deferred %s must name its namespace and version, got %+v", ref, ref)
				}
			}
			for what, pair := range map[string][2][]string{
				"guardrails": {tc.guardrails, namesOf(b.Guardrails)},
				"exposure":   {tc.exposure, namesOf(b.Exposure)},
				"secrets":    {tc.secrets, secrets},
				"deferred":   {tc.deferred, deferred},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s: %s (-want +got):\n%s", tc.reason, what, diff)
				}
			}
			for _, o := range objectsOf(b) {
				checkObject(t, o)
			}
		})
	}
}

// checkObject checks what every object must have: a kind with exactly these fields, and the labels that find it again.
func checkObject(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	kind, err := scheme.Scheme.New(o.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, kind, true); err != nil {
		t.Errorf("%s: %v", refOf(o), err)
	}
	for key, want := range map[string]string{LabelFleet: "production", LabelStore: "acme", LabelManagedBy: "storeplatform"} {
		if got := o.GetLabels()[key]; got != want {
			t.Errorf("%s: label %s is %q, want %q", refOf(o), key, got, want)
		}
	}
}

func TestNamespace(t *testing.T) {
	s := store(woo())
	s.Plan = spec.Plan{Name: "gold"}.Ref()
	b, err := ForStore("production", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"app.kubernetes.io/managed-by":               "storeplatform",
		"storeplatform.io/fleet":                     "production",
		"storeplatform.io/store":                     "acme",
		"storeplatform.io/owner":                     "team-acme",
		"storeplatform.io/plan":                      "gold",
		"storeplatform.io/engine":                    "woocommerce",
		"pod-security.kubernetes.io/enforce":         "restricted",
		"pod-security.kubernetes.io/enforce-version": "v1.37",
		"pod-security.kubernetes.io/warn":            "restricted",
		"pod-security.kubernetes.io/warn-version":    "latest",
		"pod-security.kubernetes.io/audit":           "restricted",
		"pod-security.kubernetes.io/audit-version":   "latest",
	}
	if diff := cmp.Diff(want, b.Namespace.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestQuotas(t *testing.T) {
	s := store(woo())
	// Spelt unusually: what is rendered is what the API server would store.
	s.Plan = "gold@cpu=3000m,memory=6144Mi,pods=12,storage=40Gi,jobs.cpu=1.5,jobs.memory=1Gi,jobs.pods=4,container.request_cpu=0.1,container.request_memory=128Mi,container.limit_cpu=500m,container.limit_memory=512Mi,max_volume=20Gi"
	b, err := ForStore("production", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	type room struct {
		Scopes []string
		Hard   map[string]string
	}
	got := make(map[string]room)
	for _, o := range b.Guardrails {
		if o.GetKind() != "ResourceQuota" {
			continue
		}
		scopes, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "scopes")
		hard, _, err := unstructured.NestedStringMap(o.Object, "spec", "hard")
		if err != nil {
			t.Fatal(err)
		}
		got[o.GetName()] = room{scopes, hard}
	}
	want := map[string]room{
		"services": {[]string{"NotTerminating"}, map[string]string{
			"pods": "12", "requests.cpu": "3", "requests.memory": "6Gi", "limits.cpu": "3", "limits.memory": "6Gi",
		}},
		"jobs": {[]string{"Terminating"}, map[string]string{
			"pods": "4", "requests.cpu": "1500m", "requests.memory": "1Gi", "limits.cpu": "1500m", "limits.memory": "1Gi",
		}},
		"objects": {nil, map[string]string{
			"count/ingresses.networking.k8s.io": "100", "count/jobs.batch": "50", "count/cronjobs.batch": "10",
			"services.loadbalancers": "0", "services.nodeports": "0", "secrets": "150", "configmaps": "50",
			"persistentvolumeclaims": "10", "requests.storage": "40Gi",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quotas (-want +got):\n%s", diff)
	}

	limits := typed[corev1.LimitRange](t, b.Guardrails[3])
	if got := limits.Spec.Limits[0].DefaultRequest.Cpu().String(); got != "100m" {
		t.Errorf("default CPU request is %s, want 100m", got)
	}
	if got := limits.Spec.Limits[1].Max.Storage().String(); got != "20Gi" {
		t.Errorf("largest volume is %s, want 20Gi", got)
	}
}

func TestSecrets(t *testing.T) {
	given := woo()
	given.AdminPassword = "chosen"
	given.SMTP = &spec.SMTP{Host: "mail.example.com", User: "shop", Password: "relay", From: "shop@acme.example"}
	small := medusa()
	small.Cache = false

	type content struct {
		Generated []string
		Initial   map[string]string
		Fixed     map[string]string
		Given     map[string]string
	}
	wordpress := []string{
		"auth-key", "auth-salt", "database-keeper-password", "database-password", "database-root-password", "logged-in-key", "logged-in-salt",
		"nonce-key", "nonce-salt", "secure-auth-key", "secure-auth-salt",
	}
	tests := map[string]struct {
		reason string
		engine spec.Engine
		want   map[string]content
	}{
		"woocommerce": {
			reason: "Whoever chooses no password gets a generated one.",
			engine: woo(),
			want: map[string]content{
				"credentials": {Generated: wordpress, Initial: map[string]string{"database-user": "wordpress"}},
				"admin":       {Generated: []string{"password"}, Fixed: map[string]string{"username": "admin", "email": "shop@acme.example"}},
			},
		},
		"woocommerce, given": {
			reason: "Given secrets stay in their own type until they are written.",
			engine: given,
			want: map[string]content{
				"credentials": {Generated: wordpress, Initial: map[string]string{"database-user": "wordpress"}},
				"admin":       {Fixed: map[string]string{"username": "admin", "email": "shop@acme.example"}, Given: map[string]string{"password": "chosen"}},
				"smtp": {
					Fixed: map[string]string{"host": "mail.example.com", "port": "587", "user": "shop", "from": "shop@acme.example"},
					Given: map[string]string{"password": "relay"},
				},
			},
		},
		"medusa": {
			reason: "A cache has a password of its own.",
			engine: medusa(),
			want: map[string]content{
				"credentials": {
					Generated: []string{"cache-password", "cookie-secret", "database-password", "jwt-secret", "postgres-password"},
					Initial:   map[string]string{"database-user": "medusa"},
				},
				"admin": {Generated: []string{"password"}, Fixed: map[string]string{"username": "shop@acme.example", "email": "shop@acme.example"}},
			},
		},
		"medusa without a cache": {
			reason: "Nothing is made that nobody uses.",
			engine: small,
			want: map[string]content{
				"credentials": {
					Generated: []string{"cookie-secret", "database-password", "jwt-secret", "postgres-password"},
					Initial:   map[string]string{"database-user": "medusa"},
				},
				"admin": {Generated: []string{"password"}, Fixed: map[string]string{"username": "shop@acme.example", "email": "shop@acme.example"}},
			},
		},
		"chart": {reason: "A user's chart brings its own.", engine: chartEngine(), want: map[string]content{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ForStore("production", store(tc.engine), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]content)
			for _, s := range b.Secrets {
				c := content{Initial: s.Initial, Fixed: s.Fixed}
				for key, alphabet := range s.Generated {
					c.Generated = append(c.Generated, key)
					if alphabet.Length < 32 || strings.ContainsAny(alphabet.Characters, ":/@?#&%+ $'\"\\`") {
						t.Errorf("%s: %+v must be long and need no escaping in a URL or a shell", key, alphabet)
					}
				}
				slices.Sort(c.Generated)
				for key, value := range s.Given {
					if c.Given == nil {
						c.Given = make(map[string]string)
					}
					c.Given[key] = value.Reveal()
				}
				if _, has := s.Object.Object["data"]; has {
					t.Errorf("Secret %s must be rendered without data", s.Object.GetName())
				}
				got[s.Object.GetName()] = c
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestForStoreErrors(t *testing.T) {
	small := store(medusa())
	small.Plan = spec.Basic
	wide := store(woo())
	wide.Storage = spec.Storage{Content: "30Gi", Database: "30Gi"}
	tests := map[string]struct {
		reason string
		fleet  string
		store  spec.Store
		want   string
	}{
		"fleet":      {"A fleet is a label value.", "no fleet", store(woo()), `fleet "no fleet"`},
		"no engine":  {"The specification is checked before anything is rendered.", "production", store(nil), "engine: exactly one"},
		"too small":  {"Medusa with all its parts needs more than the basic plan.", "production", small, `allows 2Gi of memory, but medusa needs 3712Mi`},
		"no service": {"A host needs something that answers for it.", "production", store(spec.Chart{Source: "./chart"}), "chart.service: must name"},
		"storage":    {"Two volumes that each fit may be too much together.", "production", wide, "storage: content 30Gi, database 30Gi and backups 5Gi"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := ForStore(tc.fleet, tc.store, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: error %v, want one with %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestForDomain(t *testing.T) {
	d := spec.Domain{Store: "acme", Host: "WWW.Bücher.example."}
	o := ForDomain("production", d, store(woo()), *k3s())
	checkObject(t, o)
	ingress := typed[networkingv1.Ingress](t, o)
	if got, want := ingress.Annotations[AnnotationHost], "www.xn--bcher-kva.example"; got != want || ingress.Spec.Rules[0].Host != want {
		t.Errorf("host is %q and %q, want %q: one host has one name", got, ingress.Spec.Rules[0].Host, want)
	}
	if got, want := ingress.Name, "domain-d837da20bd"; got != want {
		t.Errorf("name is %q, want %q: another name would leave the old Ingress behind", got, want)
	}
	if got := *ingress.Spec.IngressClassName; got != "traefik" {
		t.Errorf("class is %q, want traefik", got)
	}
	if o := ForDomain("production", d, store(spec.Chart{Source: "./chart"}), *k3s()); o != nil {
		t.Errorf("a chart without a Service has nothing to bind a host to, got %s", refOf(o))
	}
	backend := typed[networkingv1.Ingress](t, ForDomain("production", d, store(chartEngine()), *k3s())).Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if backend.Name != "shop" || backend.Port.Number != 8000 {
		t.Errorf("backend is %+v, want shop:8000", backend)
	}
}

func TestPublicPeers(t *testing.T) {
	private := *k3s()
	private.NodeAddresses = private.NodeAddresses[:1] // 10.0.0.5
	joined := private
	joined.NodeAddresses = append(slices.Clone(private.NodeAddresses), netip.MustParseAddr("10.0.0.6"))
	if diff := cmp.Diff(asJSON(t, publicPeers(private)), asJSON(t, publicPeers(joined))); diff != "" {
		t.Errorf("a node that joins with a private address must change no policy (-before +after):\n%s", diff)
	}

	mapped := Environment{NodeAddresses: []netip.Addr{netip.MustParseAddr("::ffff:203.0.113.5"), netip.MustParseAddr("fd00::1%eth0"), {}}}
	got := asJSON(t, publicPeers(mapped))
	if !strings.Contains(got, `"203.0.113.5/32"`) || strings.Contains(got, "ffff") || strings.Contains(got, "eth0") || strings.Contains(got, "invalid") {
		t.Errorf("addresses must be written as the API server accepts them: %s", got)
	}
}

// TestDeterministic renders random stores twice, with the environment's lists in another order the second time.
func TestDeterministic(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s, env := randomStore(random), k3s()
		first, err := ForStore("production", s, env)
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		shuffled := k3s()
		slices.Reverse(shuffled.NodeAddresses)
		slices.Reverse(shuffled.ClusterPrefixes)
		second, err := ForStore("production", s, shuffled)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asJSON(t, first), asJSON(t, second)); diff != "" {
			t.Fatalf("%+v rendered differently (-first +second):\n%s", s, diff)
		}
		for _, o := range objectsOf(first) {
			if _, err := json.Marshal(o.DeepCopy()); err != nil { // DeepCopy panics on what is no JSON value
				t.Fatal(err)
			}
		}
		if s.Engine.Kind() != spec.KindChart {
			runtime.DeepCopyJSON(first.Values)
		}
	}
}

func randomStore(random *rand.Rand) spec.Store {
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	coin := func() bool { return random.IntN(2) == 0 }
	s := store(nil)
	s.Plan = spec.PlanRef(pick(spec.Standard, spec.Premium, ""))
	s.Host = pick("", "shop.acme.example", "Shop.Acme.Example.")
	s.Egress = spec.Egress(pick("", string(spec.EgressNone), string(spec.EgressWeb)))
	s.Storage = spec.Storage{Class: pick("", "fast"), Content: pick("", "1024Mi", "10Gi"), Database: pick("", "2Gi")}
	switch random.IntN(3) {
	case 0:
		engine := woo()
		engine.Title = fmt.Sprintf("Shop %d $(SECRET) {{ .Values }} \"'`", random.Int())
		if coin() {
			engine.SMTP = &spec.SMTP{Host: "mail.example.com", Port: random.IntN(65535) + 1, From: "shop@acme.example"}
		}
		s.Engine = engine
	case 1:
		engine := medusa()
		engine.Cache, engine.Worker = coin(), coin()
		engine.CORS = []string{"https://a.example", "https://b.example"}[:random.IntN(3)]
		s.Engine = engine
	default:
		engine := chartEngine()
		engine.Values = map[string]any{"replicas": random.IntN(3), "nested": map[string]any{"list": []any{"a", 1.5, nil}}}
		s.Engine = engine
	}
	return s
}

// TestSecretsStayOut puts a canary into every secret input and looks for it in everything that is shown, compared or recorded.
func TestSecretsStayOut(t *testing.T) {
	const canary = "c4n4ry"
	shop := woo()
	shop.AdminPassword, shop.SMTP = canary, &spec.SMTP{Host: "mail.example.com", Password: canary, From: "shop@acme.example"}
	backend := medusa()
	backend.AdminPassword = canary
	own := chartEngine()
	own.Password = canary
	for _, engine := range []spec.Engine{shop, backend, own} {
		b, err := ForStore("production", store(engine), k3s())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(asJSON(t, b), canary) || strings.Contains(fmt.Sprintf("%+v %#v", b, b), canary) {
			t.Errorf("%s: a secret shows in the blueprint", engine.Kind())
		}
		if strings.Contains(asJSON(t, b.Values), canary) {
			t.Errorf("%s: a secret is in the values", engine.Kind())
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
