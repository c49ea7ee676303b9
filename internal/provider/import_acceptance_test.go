package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// importBlocks imports by "id" or "identity" into the resources "test" of types. keys are the name of the key and the key.
func importBlocks(by string, keys map[string][2]string) string {
	var out strings.Builder
	for typeName, key := range keys {
		target := fmt.Sprintf("%q", key[1])
		if by == "identity" {
			target = fmt.Sprintf("{ %s = %q }", key[0], key[1])
		}
		fmt.Fprintf(&out, "import {\n  to = %s.test\n  %s = %s\n}\n", typeName, by, target)
	}
	return out.String()
}

// Configuration that a CLI generates for what it imports is accepted as it stands, and nothing is lost on the way.
func TestAccImportIsLossless(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		engine string
		block  func(*testing.T) block
		store  block // further attributes of the store
	}{
		"WooCommerce": {
			"every attribute that can be set, and secrets that no import can know",
			"woocommerce",
			func(*testing.T) block {
				return block{
					"title": `"Acme & \"Sons\" $${x}"`, "admin_email": `"admin@acme.example"`, "admin_user": `"owner"`, "locale": `"de_DE"`,
					"version": `"10.0.1"`, "wordpress_version": `"7.0"`, "php_version": `"8.2"`, "plugin_source": `"https://mirror.acme.example/woocommerce.%s.zip"`,
					"plugin_sha256": `"` + sha + `"`, "registry": `"mirror.acme.example"`, "admin_password_wo": `"a secret of 22 letters"`,
					"smtp": `{ host = "mail.acme.example", from = "shop@acme.example", port = 2525, user = "shop", password_wo = "secret" }`,
				}
			},
			block{
				"egress": `"none"`, "storage": `{ content = "1Gi", database = "2Gi" }`, "rotation": `"first"`,
				"backup": `{ schedule = "@daily", keep = 2, size = "3Gi" }`,
			},
		},
		"WooCommerce, least": {
			"nothing but what is required", "woocommerce", func(*testing.T) block { return wooCommerceBlock() }, nil,
		},
		"Medusa": {
			"lists and booleans", "medusa",
			func(*testing.T) block {
				return medusaBlock().with("cors", `["https://shop.acme.example", "https://b2b.acme.example"]`).with("cache", "true")
			},
			block{"adopt_existing": "true"},
		},
		"Medusa, least": {
			"an empty list", "medusa", func(*testing.T) block { return medusaBlock() }, nil,
		},
		"chart": {
			"a document and a path", "chart",
			func(t *testing.T) block {
				return block{
					"source": fmt.Sprintf("%q", writeChart(t, "1.0.0")), "service": `"web"`, "version": `"1.0.0"`, "target": "8080", "username": `"user"`,
					"values": `"labels:\n  a: b\nreplicas: 2\n"`,
				}
			},
			nil,
		},
		"chart, least": {
			"a chart without a Service has no host", "chart",
			func(t *testing.T) block { return block{"source": fmt.Sprintf("%q", writeChart(t, "1.0.0"))} },
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcceptance(t)
			host, hasHost := a.name+".acme.example", tc.engine != "chart"
			store := a.store(tc.engine, tc.block(t)).with("plan", "storeplatform_plan.test.ref")
			for attribute, expression := range tc.store {
				store = store.with(attribute, expression)
			}
			// A preset that is not the nearest one, and a spelling of its own.
			resources := block{"name": `"gold"`, "preset": `"basic"`, "cpu": `"2000m"`, "memory": `"4Gi"`, "pods": "10", "jobs": `{ pods = 7 }`, "storage": `"50Gi"`}.resource("storeplatform_plan") +
				store.resource("storeplatform_store")
			keys := map[string][2]string{"storeplatform_plan": {"name", "gold"}, "storeplatform_store": {"name", a.name}}
			if hasHost {
				resources += block{"store": "storeplatform_store.test.name", "host": fmt.Sprintf("%q", host)}.resource("storeplatform_domain")
				keys["storeplatform_domain"] = [2]string{"host", host}
			}
			origin := newWorkspace(t, a.config(resources))
			origin.run("apply", "-auto-approve")
			want := origin.resources()

			into := newWorkspace(t, a.config(resources+importBlocks("id", keys)))
			into.run("plan", "-out=plan")
			if out := into.run("apply", "plan"); !strings.Contains(out, fmt.Sprintf("%d imported, 0 added, 0 changed, 0 destroyed", len(keys))) {
				t.Errorf("%s: an import into the configuration that made it changes something:\n%s", tc.reason, out)
			}
			if diff := cmp.Diff(want, into.resources()); diff != "" {
				t.Errorf("%s: the import into the configuration lost something (-want +got)\n%s", tc.reason, diff)
			}
			for _, by := range []string{"id", "identity"} {
				fresh := newWorkspace(t, a.config(importBlocks(by, keys)))
				if by == "identity" && !fresh.importsByIdentity() {
					t.Log("this CLI does not import by identity")
					continue
				}
				plan := fresh.run("plan", "-generate-config-out=generated.tf", "-out=plan")
				if summary := fmt.Sprintf("Plan: %d to import, 0 to add, 0 to change, 0 to destroy.", len(keys)); !strings.Contains(plan, summary) {
					t.Errorf("%s, by %s: want %q:\n%s", tc.reason, by, summary, plan)
				}
				fresh.run("apply", "plan")
				fresh.run("plan", "-detailed-exitcode") // 2 when anything is left to do
				if diff := cmp.Diff(want, fresh.resources()); diff != "" {
					t.Errorf("%s: the import by %s lost something (-want +got)\n%s", tc.reason, by, diff)
				}
			}
			origin.run("destroy", "-auto-approve")
			if err := a.nothingLeft(nil); err != nil {
				t.Error(err)
			}
		})
	}
}
