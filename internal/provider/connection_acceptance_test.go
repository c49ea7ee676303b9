package provider

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// brokenConnection is a provider configuration that reaches no cluster, or one that refuses, and what the message says.
type brokenConnection struct {
	config fields
	want   []string
}

func (a acceptance) brokenConnections(t *testing.T) map[string]brokenConnection {
	t.Helper()
	server, ca := a.cluster.RESTConfig.Host, string(a.cluster.RESTConfig.CAData)
	closed := closedAddress(t)
	return map[string]brokenConnection{
		"refused port":         {fields{"host": "https://" + closed, "token": "x"}, []string{"Cluster Unreachable", closed, "refused"}},
		"no such host":         {fields{"host": "https://nowhere.invalid:6443", "token": "x"}, []string{"Cluster Unreachable", "nowhere.invalid"}},
		"401":                  {fields{"host": server, "cluster_ca_certificate": ca, "token": canary}, []string{"Cluster Refuses the Credentials", server}},
		"403":                  {fields{"host": server, "cluster_ca_certificate": ca, "token": a.cluster.User(t, "nobody", nil).BearerToken}, []string{"Cluster Forbids It", server, "forbidden"}},
		"certificate mismatch": {fields{"host": server, "token": "x"}, []string{"Cluster Certificate Not Trusted", server, "certificate"}},
		"other server name":    {fields{"host": server, "cluster_ca_certificate": ca, "token": "x", "tls_server_name": "other.example"}, []string{"Cluster Certificate Not Trusted", server, "other.example"}},
	}
}

// closedAddress is an address on which nothing listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(listener.Close()) }()
	return listener.Addr().String()
}

func TestAccBrokenConnectionNeverLosesState(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	good := a.onCluster(t)
	config := a.fields(fields{"deletion_protection": false})
	plan, messages := good.apply("storeplatform_plan", nil, fields{"name": "gold"})
	if plan == nil {
		t.Fatal(messages)
	}
	store := mustApply(t, good, nil, config)
	host := a.name + ".acme.example"
	domain, messages := good.apply("storeplatform_domain", nil, fields{"store": a.name, "host": host})
	if domain == nil {
		t.Fatal(messages)
	}
	for name, test := range a.brokenConnections(t) {
		t.Run(name, func(t *testing.T) {
			test.config["fleet"] = a.fleet
			h := configuredHarness(t, test.config)
			check := func(what, messages string) {
				t.Helper()
				mustSay(t, messages, append(test.want, "ERROR", "Tried to")...)
				if strings.Contains(messages, canary) {
					t.Errorf("%s shows the token:\n%s", what, messages)
				}
			}
			for typeName, one := range map[string]*object{storeType: store, "storeplatform_plan": plan, "storeplatform_domain": domain} {
				kept, messages := h.read(typeName, one)
				check("read", messages)
				if kept == nil || !kept.state.Equal(one.state) {
					t.Errorf("read of %s lost state", typeName)
				}
				kept, messages = h.applyPlan(typeName, one, nil, planned{state: value(h.resourceType(typeName), nil), private: one.private})
				check("delete", messages)
				if kept == nil || !kept.state.Equal(one.state) {
					t.Errorf("delete of %s lost state", typeName)
				}
			}
			check("plan of a create", h.plan(storeType, nil, a.fields(fields{"name": a.name + "-2"})).messages)
			check("plan of an update", h.plan(storeType, store, a.fields(fields{"deletion_protection": false, "owner": "other"})).messages)
			resp, err := h.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
				TypeName: "storeplatform_cluster", Config: h.dynamic(value(h.schema.DataSourceSchemas["storeplatform_cluster"].ValueType(), fields{})),
			})
			if err != nil {
				t.Fatal(err)
			}
			check("data source", render(resp.Diagnostics))
		})
	}
	good.apply("storeplatform_domain", domain, nil)
	mustApply(t, good, store, nil)
	good.apply("storeplatform_plan", plan, nil)
}

func TestAccBrokenConfigurationOnTheCLI(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	closed := closedAddress(t)
	store := a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store")
	a.run(t,
		refused(providerConfig(block{"kubeconfig": `"users: [secret"`}, store), "Cluster Configuration Not Usable", "does not parse"),
		refused(providerConfig(block{"config_path": `"/nonexistent"`}, store), "Cluster Configuration Not Usable", "/nonexistent", "no such file"),
		refused(providerConfig(block{}, store), "No Cluster Configured", "kubeconfig", "config_path"),
		refused(providerConfig(block{"host": fmt.Sprintf("%q", "https://"+closed), "token": `"x"`}, store), "Cluster Unreachable", closed),
		refused(a.config(a.store("woocommerce", wooCommerceBlock()).with("plan", `"huge"`).resource("storeplatform_store")), "Invalid Attribute Value", "plan", "huge", "basic, standard, premium"),
		refused(a.config(block{"name": `"gold"`, "cpu": `"-1"`}.resource("storeplatform_plan")), "Invalid Attribute Value", "cpu", "-1", "above zero"),
		refused(a.config(a.store("woocommerce", wooCommerceBlock()).with("medusa", medusaBlock().object()).resource("storeplatform_store")), "Conflicting Engines", "woocommerce and medusa"),
		refused(a.config(a.store("chart", block{"source": `"./nowhere"`}).resource("storeplatform_store")), "nowhere"),
	)
}

func TestAccClusterAndStoreInOneApply(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := providerConfig(block{
		"kubeconfig": "terraform_data.cluster.output", "fleet": fmt.Sprintf("%q", a.fleet),
	}, fmt.Sprintf("resource \"terraform_data\" \"cluster\" {\n  input = file(%q)\n}\ndata \"storeplatform_cluster\" \"test\" {\n  depends_on = [terraform_data.cluster]\n}\n", a.cluster.KubeconfigPath)+
		block{"name": `"gold"`}.resource("storeplatform_plan")+
		a.store("woocommerce", wooCommerceBlock()).with("plan", "storeplatform_plan.test.ref").resource("storeplatform_store")+
		block{"store": "storeplatform_store.test.name", "host": fmt.Sprintf("\"d-%s.acme.example\"", a.name)}.resource("storeplatform_domain"))
	a.run(t, resource.TestStep{Config: config, ConfigPlanChecks: emptyAfter})
}
