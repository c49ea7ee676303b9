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
	config  fields
	summary string
	want    []string
	passing bool // a cluster that boots is the same: a plan goes on without it, an apply waits for it
}

func (a acceptance) brokenConnections(t *testing.T) map[string]brokenConnection {
	t.Helper()
	server, ca := a.cluster.RESTConfig.Host, string(a.cluster.RESTConfig.CAData)
	closed := closedAddress(t)
	return map[string]brokenConnection{
		"refused port":         {fields{"host": "https://" + closed, "token": "x"}, "Cluster Unreachable", []string{closed, "refused"}, true},
		"no such host":         {fields{"host": "https://nowhere.invalid:6443", "token": "x"}, "Cluster Unreachable", []string{"nowhere.invalid"}, true},
		"401":                  {fields{"host": server, "cluster_ca_certificate": ca, "token": canary}, "Cluster Refuses the Credentials", []string{server}, true},
		"403":                  {fields{"host": server, "cluster_ca_certificate": ca, "token": a.cluster.User(t, "nobody", nil).BearerToken}, "Cluster Forbids It", []string{server, "forbidden"}, false},
		"certificate mismatch": {fields{"host": server, "token": "x"}, "Cluster Certificate Not Trusted", []string{server, "certificate"}, false},
		"other server name":    {fields{"host": server, "cluster_ca_certificate": ca, "token": "x", "tls_server_name": "other.example"}, "Cluster Certificate Not Trusted", []string{server, "other.example"}, false},
		"no port":              {fields{"host": "https://127.0.0.1:99999", "token": "x"}, "Cluster Address Not Usable", []string{"127.0.0.1:99999", "invalid port"}, false},
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
			test.config["fleet"], test.config["timeouts"] = a.fleet, fields{"connect": "1s"}
			h := configuredHarness(t, test.config)
			check := func(what, messages string, parts ...string) {
				t.Helper()
				mustSay(t, messages, append(parts, test.want...)...)
				if strings.Contains(messages, canary) {
					t.Errorf("%s shows the token:\n%s", what, messages)
				}
			}
			atApply := test.summary
			if test.passing {
				atApply = "Cluster Not Ready"
			}
			for typeName, one := range map[string]*object{storeType: store, "storeplatform_plan": plan, "storeplatform_domain": domain} {
				kept, messages := h.read(typeName, one)
				check("read", messages, "ERROR", test.summary, "Tried to read")
				if kept == nil || !kept.state.Equal(one.state) {
					t.Errorf("read of %s lost state", typeName)
				}
				kept, messages = h.applyPlan(typeName, one, nil, planned{state: value(h.resourceType(typeName), nil), private: one.private})
				check("delete", messages, "ERROR", atApply, "Tried to reach")
				if kept == nil || !kept.state.Equal(one.state) {
					t.Errorf("delete of %s lost state", typeName)
				}
			}
			further := a.fields(fields{"name": a.name + "-2"})
			create := h.plan(storeType, nil, further)
			if test.passing {
				check("plan of a create", create.messages, "WARNING", "Cluster Not Reachable", "timeouts.connect")
				if more := h.plan("storeplatform_domain", nil, fields{"store": a.name, "host": "two." + host}); more.messages != "" {
					t.Errorf("want one warning, got a second: %s", more.messages)
				}
				made, messages := h.applyPlan(storeType, nil, further, create)
				check("create", messages, "ERROR", atApply, "Tried to reach", "1s (timeouts.connect")
				if made != nil {
					t.Error("a store is in state that was never made")
				}
			} else {
				check("plan of a create", create.messages, "ERROR", test.summary, "Tried to")
			}
			check("plan of an update", h.plan(storeType, store, a.fields(fields{"deletion_protection": false, "owner": "other"})).messages, "ERROR", test.summary, "Tried to plan")
			resp, err := h.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
				TypeName: "storeplatform_cluster", Config: h.dynamic(value(h.schema.DataSourceSchemas["storeplatform_cluster"].ValueType(), fields{})),
			})
			if err != nil {
				t.Fatal(err)
			}
			check("data source", render(resp.Diagnostics), "ERROR", test.summary, "Tried to read")
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
		resource.TestStep{
			Config:      providerConfig(block{"host": fmt.Sprintf("%q", "https://"+closed), "token": `"x"`, "timeouts": `{ connect = "1s" }`}, store),
			ExpectError: messageOf("Cluster Not Ready", closed, "refused"),
		},
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
