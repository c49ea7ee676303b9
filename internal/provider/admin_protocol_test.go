package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const adminType = "storeplatform_store_admin"

// openAdmin opens the ephemeral resource of a store's login.
func (h *harness) openAdmin(config fields) (tftypes.Value, string) {
	h.t.Helper()
	typ := h.schema.EphemeralResourceSchemas[adminType].ValueType()
	resp, err := h.server.OpenEphemeralResource(h.t.Context(), &tfprotov6.OpenEphemeralResourceRequest{TypeName: adminType, Config: h.dynamic(value(typ, config))})
	if err != nil {
		h.t.Fatal(err)
	}
	messages := render(resp.Diagnostics)
	if strings.Contains(messages, "ERROR") {
		return tftypes.NewValue(typ, nil), messages
	}
	result, err := resp.Result.Unmarshal(typ)
	if err != nil {
		h.t.Fatal(err)
	}
	return result, messages
}

func TestAccStoreAdmin(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	host := a.name + ".acme.example"
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false, "host": host}))
	admin, err := a.cluster.Client().CoreV1().Secrets("store-"+a.name).Get(t.Context(), "admin", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	password := string(admin.Data["password"])

	for name, test := range map[string]struct {
		reason string
		config fields
		says   []string
	}{
		"name":            {"what every user writes", fields{"store": a.name}, nil},
		"name and UID":    {"the cluster of the store", fields{"store": a.name, "cluster_uid": store.attribute("cluster_uid")}, nil},
		"another cluster": {"the password of another shop", fields{"store": a.name, "cluster_uid": "another"}, []string{"ERROR cluster_uid", "Cluster Is Another One", "another", store.attribute("cluster_uid")}},
		"no store":        {"made in the same apply", fields{"store": a.name + "-none"}, []string{"ERROR store", "Store Not Found", "cluster_uid = storeplatform_store.NAME.cluster_uid"}},
		"foreign":         {"what others own is not looked into", fields{"store": "none"}, []string{"ERROR store", "Store Not Found"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, messages := h.openAdmin(test.config)
			mustSay(t, messages, test.says...)
			if strings.Contains(messages, password) {
				t.Errorf("%s: the message shows the password", test.reason)
			}
			if len(test.says) > 0 {
				return
			}
			if attributeOf(got, "user") != "admin" || attributeOf(got, "url") != "https://"+host+"/wp-admin/" || attributeOf(got, "password") != password || password == "" {
				t.Errorf("%s: got user %q, URL %q and a password of %d characters; %s", test.reason, attributeOf(got, "user"), attributeOf(got, "url"), len(attributeOf(got, "password")), messages)
			}
		})
	}
	mustApply(t, h, store, nil)
}

func TestAccStoreWithoutAdmin(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false, "woocommerce": nil, "chart": fields{"source": writeChart(t, "1.0.0")}}))
	_, messages := h.openAdmin(fields{"store": a.name})
	mustSay(t, messages, "ERROR store", "Store Has No Administrator", "chart of its own")
	mustApply(t, h, store, nil)
}

func TestAdminNeedsACluster(t *testing.T) {
	t.Parallel()
	h := configuredHarness(t, fields{"kubeconfig": unknown{}})
	_, messages := h.openAdmin(fields{"store": "acme"})
	mustSay(t, messages, "ERROR", "Cluster Not Known Yet", "login of a store")
}

// TestReadsAreDeferredWhereTheCLICan asks for everything that is read, with a cluster that is known only after apply.
func TestReadsAreDeferredWhereTheCLICan(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	if _, err := h.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config:             h.dynamic(value(h.schema.Provider.ValueType(), fields{"kubeconfig": unknown{}})),
		ClientCapabilities: &tfprotov6.ConfigureProviderClientCapabilities{DeferralAllowed: true},
	}); err != nil {
		t.Fatal(err)
	}
	opened, err := h.server.OpenEphemeralResource(t.Context(), &tfprotov6.OpenEphemeralResourceRequest{
		TypeName: adminType, Config: h.dynamic(value(h.schema.EphemeralResourceSchemas[adminType].ValueType(), fields{"store": "acme"})),
		ClientCapabilities: &tfprotov6.OpenEphemeralResourceClientCapabilities{DeferralAllowed: true},
	})
	if err != nil || opened.Deferred == nil || len(opened.Diagnostics) > 0 {
		t.Errorf("the ephemeral resource is not deferred: %+v %v", opened, err)
	}
	read, err := h.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
		TypeName: storeType, Config: h.dynamic(value(h.schema.DataSourceSchemas[storeType].ValueType(), fields{"name": "acme"})),
		ClientCapabilities: &tfprotov6.ReadDataSourceClientCapabilities{DeferralAllowed: true},
	})
	if err != nil || read.Deferred == nil || len(read.Diagnostics) > 0 {
		t.Errorf("the data source is not deferred: %+v %v", read, err)
	}
}
