package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

func TestAccDataSourceOfANewStore(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	const address = "data.storeplatform_store.test"
	config := a.config(a.store("medusa", medusaBlock()).resource("storeplatform_store") + `
data "storeplatform_store" "test" {
  name       = storeplatform_store.test.name
  depends_on = [storeplatform_store.test]
}
`)
	a.run(t,
		resource.TestStep{
			Config: config, ConfigPlanChecks: emptyAfter,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(address, tfjsonpath.New("ready"), knownvalue.Bool(true)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("engine"), knownvalue.StringExact("medusa")),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("plan"), knownvalue.StringExact("standard")),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("url"), knownvalue.Null()),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("causes"), knownvalue.ListExact(nil)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("drift"), knownvalue.MapExact(nil)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("release").AtMapKey("revision"), knownvalue.Int64Exact(1)),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("quota").AtMapKey("limits.memory").AtMapKey("hard"), knownvalue.StringExact("4Gi")),
				statecheck.ExpectKnownValue(address, tfjsonpath.New("quota").AtMapKey("pods").AtMapKey("used"), knownvalue.StringExact("2")),
			},
		},
		refused(config+"data \"storeplatform_store\" \"none\" {\n  name = \""+a.name+"-none\"\n}\n", "Store Not Found", a.name+"-none"),
	)
}
