package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

func TestAccFunctions(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	checks := emptyAfter
	checks.PreApply = []plancheck.PlanCheck{
		// The reference of a plan that does not exist yet is known, and so is what its stores need.
		plancheck.ExpectKnownOutputValueAtPath("capacity", tfjsonpath.New("memory"), knownvalue.StringExact("17Gi")),
	}
	a.run(t,
		refused(a.config(`output "host" { value = provider::storeplatform::nip_io_host("acme", "vps.example.com") }`), `"address" parameter`, "vps.example.com"),
		refused(a.config(`output "capacity" { value = provider::storeplatform::plan_capacity(["basic", "huge"]) }`), `"plans" parameter`, "plans[1]", "basic, standard, premium"),
		resource.TestStep{
			Config: a.config(block{"name": `"gold"`, "memory": `"6Gi"`}.resource("storeplatform_plan") + `
locals {
  stores = { acme = "standard", beta = "standard", gamma = storeplatform_plan.test.ref }
}
output "host" {
  value = provider::storeplatform::nip_io_host("acme", "203.0.113.10")
}
output "host6" {
  value = provider::storeplatform::nip_io_host("acme", "2001:db8::10")
}
output "capacity" {
  value = provider::storeplatform::plan_capacity(values(local.stores))
}
output "fits" {
  value = provider::storeplatform::plan_capacity(values(local.stores)).cpu_cores <= 8
}
`),
			ConfigPlanChecks: checks,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownOutputValue("host", knownvalue.StringExact("acme.203-0-113-10.nip.io")),
				statecheck.ExpectKnownOutputValue("host6", knownvalue.StringExact("acme.2001-0db8-0000-0000-0000-0000-0000-0010.nip.io")),
				statecheck.ExpectKnownOutputValueAtPath("capacity", tfjsonpath.New("cpu"), knownvalue.StringExact("9")),
				statecheck.ExpectKnownOutputValueAtPath("capacity", tfjsonpath.New("pods"), knownvalue.Int64Exact(45)),
				statecheck.ExpectKnownOutputValueAtPath("capacity", tfjsonpath.New("memory_bytes"), knownvalue.Int64Exact(17<<30)),
				statecheck.ExpectKnownOutputValue("fits", knownvalue.Bool(false)),
			},
		},
	)
}
