package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// clusterAndStores makes a cluster, as far as the provider can see, and in the same apply a plan, stores and a domain on it. The
// plan needs no cluster to be planned; one store waits for it, the others do not.
func (a acceptance) clusterAndStores(kubeconfig, connect string) string {
	settings := block{
		"kubeconfig": "terraform_data.cluster.output", "fleet": fmt.Sprintf("%q", a.fleet), "dns_servers": fmt.Sprintf("[%q]", a.cluster.DNS),
		"timeouts": block{"connect": fmt.Sprintf("%q", connect)}.object(),
	}
	var body strings.Builder
	fmt.Fprintf(&body, "resource \"terraform_data\" \"cluster\" {\n  input = file(%q)\n}\n", kubeconfig)
	body.WriteString(block{"name": `"gold"`}.resource("storeplatform_plan"))
	body.WriteString(a.store("woocommerce", wooCommerceBlock()).with("plan", "storeplatform_plan.test.ref").resource("storeplatform_store"))
	for _, further := range []string{"two", "three"} {
		store := a.store("medusa", medusaBlock()).with("name", fmt.Sprintf("%q", a.name+"-"+further))
		body.WriteString(strings.Replace(store.resource("storeplatform_store"), `"test"`, fmt.Sprintf("%q", further), 1))
	}
	body.WriteString(block{"store": "storeplatform_store.test.name", "host": fmt.Sprintf("\"d-%s.acme.example\"", a.name)}.resource("storeplatform_domain"))
	return providerConfig(settings, body.String())
}

func TestAccStoresOnAClusterThatBoots(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	cluster := newBoot(t, a)
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: cluster.factories(), CheckDestroy: a.nothingLeft,
		Steps: []resource.TestStep{{Config: a.clusterAndStores(cluster.kubeconfig, "3m"), ConfigPlanChecks: emptyAfter}},
	})
	if cluster.phase != booted {
		t.Errorf("the cluster was used in phase %d, before it had booted", cluster.phase)
	}
}

func TestAccClusterThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	cluster := newBoot(t, a)
	cluster.stay(notReady)
	config := a.clusterAndStores(cluster.kubeconfig, "3s")
	unchanged := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: cluster.factories(), CheckDestroy: a.nothingLeft,
		Steps: []resource.TestStep{
			{Config: config, ExpectError: messageOf("Cluster Not Ready", cluster.address, "3s (timeouts.connect", "last:", "unable to handle the request", "apply again")},
			{PreConfig: func() { cluster.stay(booted) }, Config: config, ConfigPlanChecks: emptyAfter},
			{PreConfig: func() { cluster.stay(nobodyKnown) }, Config: config, PlanOnly: true, ExpectError: messageOf("Cluster Refuses the Credentials", "State was kept")},
			{PreConfig: func() { cluster.stay(booted) }, Config: config, ConfigPlanChecks: unchanged},
		},
	})
}
