package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// report reads the data source of a store.
func (h *harness) report(store string) (tftypes.Value, string) {
	h.t.Helper()
	typ := h.schema.DataSourceSchemas[storeType].ValueType()
	resp, err := h.server.ReadDataSource(h.t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: storeType, Config: h.dynamic(value(typ, fields{"name": store}))})
	if err != nil {
		h.t.Fatal(err)
	}
	messages := render(resp.Diagnostics)
	if strings.Contains(messages, "ERROR") {
		return tftypes.NewValue(typ, nil), messages
	}
	state, err := resp.State.Unmarshal(typ)
	if err != nil {
		h.t.Fatal(err)
	}
	return state, messages
}

func TestAccStoreDataSource(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	host := a.name + ".acme.example"
	maker := a.onCluster(t)
	store := mustApply(t, maker, nil, a.fields(fields{"deletion_protection": false, "host": host}))
	expect := func(reason string, got tftypes.Value, messages string, want map[string]string) {
		t.Helper()
		if messages != "" {
			t.Fatalf("%s: %s", reason, messages)
		}
		for name, text := range want {
			if is := attributeOf(got, name); !strings.Contains(is, text) || text == "" && is != "" {
				t.Errorf("%s: %s is %s, want %q", reason, name, is, text)
			}
		}
	}
	got, messages := a.onCluster(t).report(a.name)
	expect("a store that is as it should be", got, messages, map[string]string{
		"owner": "team", "plan": "standard", "engine": "woocommerce", "namespace": "store-" + a.name, "url": "https://" + host, "ready": "true",
		"release.status": "deployed", "release.chart": "store", "release.revision": `"1"`,
		"quota.pods.hard": "10", "quota.pods.used": "2", "drift": "Map[tftypes.String]<>", "causes": "<>",
	})

	// Another hand scales the shop to nothing and deletes a policy.
	client := a.cluster.Client()
	if _, err := client.AppsV1().Deployments("store-"+a.name).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	if err := client.NetworkingV1().NetworkPolicies("store-"+a.name).Delete(t.Context(), "dns", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	got, messages = a.onCluster(t).report(a.name)
	expect("a store that others changed", got, messages, map[string]string{
		"ready": "false", "drift.Deployment/web": "spec.replicas", "drift.NetworkPolicy/dns": "missing", "drift.Service/web": "(absent)", "causes": "NetworkPolicy/dns",
	})
	mustSay(t, attributeOf(got, "drift.Deployment/web"), "kubectl-edit", "3")
	mustApply(t, maker, store, nil)
}

func TestAccStoreDataSourceRefuses(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	for suffix, labels := range map[string]map[string]string{
		"-foreign": {"storeplatform.io/fleet": a.fleet},
		"-begun":   {"storeplatform.io/fleet": a.fleet, "storeplatform.io/store": a.name + "-begun"},
	} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "store-" + a.name + suffix, Labels: labels}}
		if _, err := a.cluster.Client().CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	_, messages := h.report(a.name + "-none")
	mustSay(t, messages, "ERROR", "Store Not Found", a.name+"-none")
	_, messages = h.report(a.name + "-foreign")
	mustSay(t, messages, "ERROR", "Namespace Not Owned", a.name+"-foreign")
	got, messages := h.report(a.name + "-begun")
	for name, want := range map[string]string{"owner": "(null)", "plan": "(null)", "engine": "(null)", "release.status": "(null)"} {
		if is := attributeOf(got, name); is != want {
			t.Errorf("a store whose creation was killed at once: %s is %s, want %s; %s", name, is, want, messages)
		}
	}
	if is := attributeOf(got, "operations"); is == "(null)" {
		t.Error("operations is null, which length() refuses, where there are none")
	}
	_, messages = configuredHarness(t, fields{"kubeconfig": unknown{}}).report("acme")
	mustSay(t, messages, "ERROR", "Cluster Not Known Yet", "depends_on")
}
