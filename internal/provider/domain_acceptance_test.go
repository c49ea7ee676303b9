package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

const domainAddress = "storeplatform_domain.test"

func TestAccDomain(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := func(host string) string {
		return a.config(a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store") +
			block{"store": "storeplatform_store.test.name", "host": fmt.Sprintf("%q", host)}.resource("storeplatform_domain"))
	}
	host := a.name + ".acme.example"
	replaced := resource.TestStep{Config: config("other-" + host), ConfigPlanChecks: emptyAfter}
	replaced.ConfigPlanChecks.PreApply = []plancheck.PlanCheck{plancheck.ExpectResourceAction(domainAddress, plancheck.ResourceActionReplace)}
	spelt := resource.TestStep{Config: config("Other-" + host + "."), ConfigPlanChecks: emptyAfter}
	spelt.ConfigPlanChecks.PreApply = []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}
	a.run(t,
		resource.TestStep{
			Config: config(host), ConfigPlanChecks: emptyAfter,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("id"), knownvalue.StringExact(host)),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("url"), knownvalue.StringExact("https://"+host)),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("namespace"), knownvalue.StringExact("store-"+a.name)),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("ingress"), knownvalue.NotNull()),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("addresses"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(testcluster.Address)})),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("records").AtSliceIndex(0).AtMapKey("value"), knownvalue.StringExact(testcluster.Address)),
				statecheck.ExpectKnownValue(domainAddress, tfjsonpath.New("records").AtSliceIndex(0).AtMapKey("type"), knownvalue.StringExact("A")),
			},
		},
		importOf(domainAddress), importBlockOf(domainAddress, config(host)), replaced, spelt,
	)
}

func TestAccDomainOfAnotherStore(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	host := a.name + ".acme.example"
	store := a.store("woocommerce", wooCommerceBlock()).with("host", fmt.Sprintf("%q", host)).resource("storeplatform_store")
	a.run(t,
		resource.TestStep{Config: a.config(store), ConfigPlanChecks: emptyAfter},
		resource.TestStep{
			Config:      a.config(store + block{"store": "storeplatform_store.test.name", "host": fmt.Sprintf("%q", host)}.resource("storeplatform_domain")),
			ExpectError: messageOf("Host Claimed by Another Store", host),
		},
	)
}

func TestAccCluster(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	const address = "data.storeplatform_cluster.test"
	a.run(t, resource.TestStep{
		Config:           a.config(`data "storeplatform_cluster" "test" {}`),
		ConfigPlanChecks: emptyAfter,
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue(address, tfjsonpath.New("version"), knownvalue.StringExact("v1.37.2")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("uid"), knownvalue.NotNull()),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("server"), knownvalue.StringExact(a.cluster.RESTConfig.Host)),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("nodes").AtSliceIndex(0).AtMapKey("ready"), knownvalue.Bool(true)),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("ingress_class"), knownvalue.StringExact("traefik")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("storage_classes").AtSliceIndex(0).AtMapKey("name"), knownvalue.StringExact("local-path")),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("addresses").AtSliceIndex(0), knownvalue.StringExact(testcluster.Address)),
			statecheck.ExpectKnownValue(address, tfjsonpath.New("checks").AtSliceIndex(0).AtMapKey("status"), knownvalue.StringExact("pass")),
		},
	})
}
