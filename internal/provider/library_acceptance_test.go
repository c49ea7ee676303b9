package provider

import (
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// What the library made, Terraform imports without a difference, and takes from there.
func TestAccLibraryThenTerraform(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	client, err := storekit.Connect(a.cluster.RESTConfig)
	if err != nil {
		t.Fatal(err)
	}
	fleet := client.Fleet(a.fleet)
	var p storekit.Program
	p.AddStore(spec.Store{
		Name: a.name, Owner: "team", AllowDeletion: true, Retention: spec.DeleteData,
		Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "admin@acme.example"},
	})
	preview, err := fleet.Preview(t.Context(), &p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Up(t.Context(), preview, storekit.Timeout(time.Minute)); err != nil {
		t.Fatal(err)
	}
	config := a.config(a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store"))
	a.run(t,
		resource.TestStep{
			Config: config + `
import {
  to = storeplatform_store.test
  id = "` + a.name + `"
}
`,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(storeAddress, plancheck.ResourceActionNoop)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
		resource.TestStep{
			Config: config,
			PreConfig: func() {
				again, err := fleet.Preview(t.Context(), &p)
				if err != nil || !again.Empty() {
					t.Errorf("after Terraform, the library sees a difference: %v\n%v", err, again)
				}
			},
			PlanOnly: true,
		},
	)
}
