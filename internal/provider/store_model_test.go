package provider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestStoreMappersAreInverse(t *testing.T) {
	t.Parallel()
	full := func(engine spec.Engine) spec.Store {
		return spec.Store{
			Name: "acme", Owner: "team", Plan: spec.Premium, Engine: engine, Host: "shop.acme.example",
			Storage: spec.Storage{Class: "fast", Content: "10Gi", Database: "20Gi"}, Egress: spec.EgressNone,
			AllowDeletion: true, Retention: spec.DeleteData, Adopt: true,
		}
	}
	for name, test := range map[string]struct {
		reason string
		store  spec.Store
	}{
		"defaults": {"what most users write", spec.Store{Name: "acme", Owner: "team", Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "a@acme.example"}}},
		"woocommerce": {"every field", full(spec.WooCommerce{
			Title: "Acme", AdminEmail: "a@acme.example", AdminUser: "root", Locale: "de_DE", Version: "10.0.1", WordPress: "6.9.1",
			PluginSource: "https://x.example/%s.zip", PluginSHA256: "00", Registry: "mirror.example",
			SMTP: &spec.SMTP{Host: "mail.example", Port: 25, User: "u", From: "a@acme.example"},
		})},
		"medusa": {"every field", full(spec.Medusa{Image: "x:1", AdminEmail: "a@acme.example", Cache: true, Worker: true, CORS: []string{"https://a.example"}, Registry: "mirror.example"})},
		"chart": {"every field", full(spec.Chart{
			Source: "oci://x.example/c", Version: "1.2.3", Values: map[string]any{"replicas": int64(2), "list": []any{"a"}}, Service: "web", Port: 81, Target: 8080, Username: "u",
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			want := test.store.WithDefaults()
			model := storeModelFrom(&storekit.State{Spec: test.store}, storeModel{}, &diags)
			got := model.spec(&diags).WithDefaults()
			if diags.HasError() {
				t.Fatal(diags)
			}
			if chart, ok := want.Engine.(spec.Chart); ok && chart.Values == nil {
				chart.Values = map[string]any{}
				want.Engine = chart
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: import would lose something (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestSecretsComeFromTheConfigurationOnly(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]spec.Engine{
		"woocommerce": spec.WooCommerce{Title: "Acme", AdminPassword: canary, SMTP: &spec.SMTP{Host: "m.example", From: "a@acme.example", Password: canary}},
		"medusa":      spec.Medusa{Image: "x:1", AdminPassword: canary},
		"chart":       spec.Chart{Source: "./c", Password: canary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			state := storeModelFrom(&storekit.State{Spec: spec.Store{Name: "acme", Engine: engine}}, storeModel{}, &diags)
			switch engine := state.spec(&diags).Engine.(type) {
			case spec.WooCommerce:
				if engine.AdminPassword != "" || engine.SMTP.Password != "" {
					t.Error("a secret of the specification reached the model")
				}
			case spec.Medusa:
				if engine.AdminPassword != "" {
					t.Error("a secret of the specification reached the model")
				}
			case spec.Chart:
				if engine.Password != "" {
					t.Error("a secret of the specification reached the model")
				}
			}
		})
	}
}
