package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Questions about an unchanged store are answered without the framework, however it is spelt; every other one with it. That the
// answers are the same is checked by the harness, here and in every other test.
func TestAccUnchangedStores(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config  fields
		changes map[string]fields // each is a change that an unchanged store must not hide
		same    map[string]fields // each is none
	}{
		"WooCommerce": {
			config: fields{
				"host": "Shop.Example.TEST.", "egress": "none", "on_failure": "keep", "timeouts": fields{"create": "5m"},
				"storage": fields{"content": "5120Mi", "database": "5Gi"}, "backup": fields{"keep": 3, "schedule": "0 3 * * *"},
				"woocommerce": fields{
					"title": "Acme", "admin_email": "a@acme.example", "locale": "de_DE", "admin_password_wo": "first given password", "admin_password_wo_version": 1,
					"smtp": fields{"host": "mail.example.test", "from": "a@acme.example", "port": 465},
				},
			},
			changes: map[string]fields{
				"a default instead of a value":             {"egress": nil},
				"a default within an object":               {"backup": fields{"schedule": "0 3 * * *"}},
				"defaults of an object":                    {"backup": nil},
				"defaults of an object that has its own":   {"storage": nil},
				"no value instead of one":                  {"on_failure": nil},
				"what the provider alone keeps":            {"timeouts": fields{"create": "6m"}},
				"no host":                                  {"host": nil},
				"another owner":                            {"owner": "other"},
				"protection":                               {"deletion_protection": nil},
				"a default within an object in an object":  {"woocommerce": fields{"title": "Acme", "admin_email": "a@acme.example", "locale": "de_DE", "admin_password_wo_version": 1, "smtp": fields{"host": "mail.example.test", "from": "a@acme.example"}}},
				"a secret of another version":              {"woocommerce": fields{"title": "Acme", "admin_email": "a@acme.example", "locale": "de_DE", "admin_password_wo": "other given password", "admin_password_wo_version": 2, "smtp": fields{"host": "mail.example.test", "from": "a@acme.example", "port": 465}}},
				"something that is known only after apply": {"rotation": unknown{}},
			},
			same: map[string]fields{
				"a secret, where its version stays": {"woocommerce": fields{"title": "Acme", "admin_email": "a@acme.example", "locale": "de_DE", "admin_password_wo": "other given password", "admin_password_wo_version": 1, "smtp": fields{"host": "mail.example.test", "from": "a@acme.example", "port": 465}}},
			},
		},
		"Medusa": {
			config: fields{"woocommerce": nil, "medusa": fields{"image": "registry.acme.example/shop:1.0.0", "admin_email": "a@acme.example", "cors": []any{"https://a.example"}, "cache": true}},
			changes: map[string]fields{
				"a default instead of a list": {"medusa": fields{"image": "registry.acme.example/shop:1.0.0", "admin_email": "a@acme.example", "cache": true}},
				"a default instead of a bool": {"medusa": fields{"image": "registry.acme.example/shop:1.0.0", "admin_email": "a@acme.example", "cors": []any{"https://a.example"}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcceptance(t)
			h := a.onCluster(t)
			config := a.fields(fields{"deletion_protection": false})
			maps.Copy(config, tc.config)
			if host, ok := config["host"].(string); ok {
				config["host"] = a.name + "." + host
			}
			store := mustApply(t, h, nil, config)
			ask := func(what string, store *object, config fields, want int64) {
				t.Helper()
				before := h.server.without.Load()
				read, messages := h.read(storeType, store)
				if strings.Contains(messages, "ERROR") {
					t.Fatalf("%s: read: %s", what, messages)
				}
				h.plan(storeType, read, config)
				if got := h.server.without.Load() - before; got != want {
					t.Errorf("%s: %d of refresh and plan were answered without the framework, want %d", what, got, want)
				}
			}
			data, err := json.Marshal(plain(store.state))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.server.UpgradeResourceState(t.Context(), &tfprotov6.UpgradeResourceStateRequest{TypeName: storeType, RawState: &tfprotov6.RawState{JSON: data}}); err != nil {
				t.Fatal(err)
			}
			if h.server.without.Load() != 1 {
				t.Error("the state was upgraded by the framework, though it is of the schema's version")
			}
			ask("unchanged", store, config, 2)
			for want, changes := range map[int64]map[string]fields{1: tc.changes, 2: tc.same} {
				for what, change := range changes {
					changed := maps.Clone(config)
					maps.Copy(changed, change)
					ask(what, store, changed, want)
				}
			}
			quotas := a.cluster.Client().CoreV1().ResourceQuotas("store-" + a.name)
			if _, err := quotas.Patch(t.Context(), "services", types.MergePatchType, []byte(`{"spec":{"hard":{"pods":"99"}}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
				t.Fatal(err)
			}
			h = a.onCluster(t)
			ask("changed by another hand", store, config, 0)
			mustApply(t, h, store, nil)
		})
	}
}

// What an unchanged store is depends on how the schema fills in what a configuration leaves out: only in ways that
// [settled] and [storePlan.inherit] know.
func TestSchemaFillsInOnlyKnownWays(t *testing.T) {
	t.Parallel()
	inherited := []string{"owner", "host", "backup", "chart.target"}
	modifiers := []string{"provider.keepSpelling[", "stringplanmodifier.requiresReplaceIfModifier"}
	count := 0
	var walk func(prefix string, attributes map[string]schema.Attribute)
	walk = func(prefix string, attributes map[string]schema.Attribute) {
		for name, attribute := range attributes {
			at := prefix + name
			if !attribute.IsOptional() && !attribute.IsRequired() {
				continue // the provider alone says what it is
			}
			count++
			var used int
			switch a := attribute.(type) {
			case schema.StringAttribute:
				for _, one := range a.PlanModifiers {
					if !slices.ContainsFunc(modifiers, func(known string) bool { return strings.HasPrefix(fmt.Sprintf("%T", one), known) }) {
						t.Errorf("%s has plan modifier %T, which is not considered", at, one)
					}
				}
			case schema.BoolAttribute:
				used = len(a.PlanModifiers)
			case schema.Int64Attribute:
				used = len(a.PlanModifiers)
			case schema.ListAttribute:
				used = len(a.PlanModifiers)
			case schema.SingleNestedAttribute:
				used = len(a.PlanModifiers)
				walk(at+".", a.Attributes)
			default:
				t.Errorf("%s is a %T, of which defaultOf knows nothing", at, attribute)
			}
			if used > 0 {
				t.Errorf("%s has plan modifiers, which are not considered", at)
			}
			if attribute.IsComputed() && defaultOf(t.Context(), attribute) == nil && !slices.Contains(inherited, at) {
				t.Errorf("%s is filled in neither by a default nor by inherit", at)
			}
		}
	}
	walk("", storeSchema(t.Context()).Attributes)
	if count < 50 {
		t.Errorf("looked at %d attributes only", count)
	}
}
