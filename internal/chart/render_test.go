package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/chart"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func woo() spec.WooCommerce {
	return spec.WooCommerce{
		Title: "Acme", AdminEmail: "shop@acme.example",
		SMTP: &spec.SMTP{Host: "mail.example.com", User: "shop", Password: "relay", From: "shop@acme.example"},
	}
}

func medusa(worker, cache bool) spec.Medusa {
	return spec.Medusa{
		Image: "registry.example.com/shop:1.4.2", AdminEmail: "shop@acme.example",
		Worker: worker, Cache: cache, CORS: []string{"https://www.acme.example"},
	}
}

func store(engine spec.Engine) spec.Store {
	return spec.Store{Name: "acme", Owner: "team-acme", Host: "shop.acme.example", Engine: engine}
}

// stores returns every shape of both engines on every plan that has room for it.
func stores() map[string]spec.Store {
	noMail := woo()
	noMail.SMTP = nil
	engines := map[string]spec.Engine{
		"woocommerce":              woo(),
		"woocommerce without mail": noMail,
		"medusa":                   medusa(false, false),
		"medusa with worker":       medusa(true, false),
		"medusa with cache":        medusa(false, true),
		"medusa with both":         medusa(true, true),
	}
	all := make(map[string]spec.Store)
	for name, engine := range engines {
		for _, plan := range spec.PresetNames() {
			s := store(engine)
			s.Plan = spec.PlanRef(plan)
			if plan == spec.Basic && engine.Kind() == spec.KindMedusa {
				continue // refused: TestBasicIsTooSmallForMedusa
			}
			all[name+" on "+plan] = s
		}
	}
	nameless := store(woo())
	nameless.Host = ""
	all["woocommerce without a host"] = nameless
	return all
}

func TestBasicIsTooSmallForMedusa(t *testing.T) {
	s := store(medusa(false, false))
	s.Plan = spec.Basic
	if err := s.Validate(); err == nil {
		t.Error("Medusa now fits the basic plan: let stores() render it there")
	}
}

func blueprintOf(t *testing.T, s spec.Store) *blueprint.Blueprint {
	t.Helper()
	b, err := blueprint.ForStore("production", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func embedded(t *testing.T) *release.Chart {
	t.Helper()
	files, err := chart.Files()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := release.LoadEmbedded(files)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func render(t *testing.T, values map[string]any) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := release.Render(release.Request{Name: blueprint.ReleaseName, Namespace: "store-acme", Chart: embedded(t), Values: values})
	if err != nil {
		t.Fatal(err)
	}
	if len(rendered.Hooks) > 0 {
		t.Errorf("the chart must have no hooks, got %v", rendered.Hooks)
	}
	return rendered.Objects
}

func TestVersion(t *testing.T) {
	loaded := embedded(t)
	if loaded.Name != chart.Name || loaded.Version != chart.Version {
		t.Errorf("Chart.yaml says %s %s, chart.go says %s %s", loaded.Name, loaded.Version, chart.Name, chart.Version)
	}
}

// TestObjects checks every rendered object against its kind, field by field, and against what the read path relies on.
func TestObjects(t *testing.T) {
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			seen := make(map[string]bool)
			for _, o := range render(t, blueprintOf(t, s).Values) {
				ref := o.GetKind() + "/" + o.GetName()
				if seen[ref] {
					t.Errorf("%s is rendered twice", ref)
				}
				seen[ref] = true
				kind, err := scheme.Scheme.New(o.GroupVersionKind())
				if err != nil {
					t.Fatal(err)
				}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, kind, true); err != nil {
					t.Errorf("%s: %v", ref, err)
				}
				if o.GetNamespace() != "store-acme" {
					t.Errorf("%s: namespace %q", ref, o.GetNamespace())
				}
				for key, want := range map[string]string{blueprint.LabelFleet: "production", blueprint.LabelStore: "acme"} {
					if got := o.GetLabels()[key]; got != want {
						t.Errorf("%s: label %s is %q, want %q", ref, key, got, want)
					}
				}
				if o.GetLabels()[blueprint.LabelComponent] == "" {
					t.Errorf("%s: no component", ref)
				}
				if o.GetKind() == "PersistentVolumeClaim" && o.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
					t.Errorf("%s: data must outlive the release", ref)
				}
				if o.GetKind() == "Ingress" || o.GetKind() == "Secret" {
					t.Errorf("%s: belongs to the blueprint, outside of Helm's records", ref)
				}
			}
			for _, ref := range []string{"Service/web", "Service/database"} {
				if !seen[ref] {
					t.Errorf("no %s", ref)
				}
			}
		})
	}
}

func TestRenderTwice(t *testing.T) {
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			first, second := manifest(t, render(t, blueprintOf(t, s).Values)), manifest(t, render(t, blueprintOf(t, s).Values))
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("plan and apply would differ (-first +second):\n%s", diff)
			}
		})
	}
}

func TestGolden(t *testing.T) {
	for name, s := range map[string]spec.Store{"woocommerce": store(woo()), "medusa": store(medusa(true, true))} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".yaml")
			got := manifest(t, render(t, blueprintOf(t, s).Values))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("rendering changed; run with -update if it should (-want +got):\n%s", diff)
			}
		})
	}
}

// manifest writes the objects as YAML, the scripts of ConfigMaps left out: they stand in store/files.
func manifest(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var out strings.Builder
	for _, o := range objects {
		o = o.DeepCopy()
		if o.GetKind() == "ConfigMap" && o.GetName() == "files" {
			unstructured.RemoveNestedField(o.Object, "data")
		}
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.String()
}

// TestSchema checks that the schema refuses what the blueprint would never send, before anything is rendered.
func TestSchema(t *testing.T) {
	tests := map[string]struct {
		reason string
		change func(values map[string]any)
		want   string
	}{
		"unknown engine": {"A typo must not install an empty release.", func(v map[string]any) { v["engine"] = "magento" }, "engine"},
		"unknown value":  {"A value that nobody reads is a mistake.", func(v map[string]any) { v["replicas"] = 2 }, "replicas"},
		"no engine part": {"An engine needs its values.", func(v map[string]any) { delete(v, "woocommerce") }, "woocommerce"},
		"no limits": {"A component without limits would break the quota.", func(v map[string]any) {
			v["components"] = map[string]any{"web": map[string]any{"replicas": 1, "surge": 1, "resources": map[string]any{}}}
		}, "limits"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			values := blueprintOf(t, store(woo())).Values
			tc.change(values)
			_, err := release.Render(release.Request{Name: "store", Namespace: "store-acme", Chart: embedded(t), Values: values})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: error %v, want one about %s", tc.reason, err, tc.want)
			}
		})
	}
}
