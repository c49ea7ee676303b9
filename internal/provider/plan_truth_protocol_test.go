package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stringsIn are the strings of a map attribute; an unknown one is "?".
func stringsIn(t *testing.T, state tftypes.Value, name string) map[string]string {
	t.Helper()
	var attributes, entries map[string]tftypes.Value
	if err := state.As(&attributes); err != nil {
		t.Fatal(err)
	}
	if err := attributes[name].As(&entries); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string, len(entries))
	for key, entry := range entries {
		text := "?"
		if entry.IsKnown() {
			if err := entry.As(&text); err != nil {
				t.Fatal(err)
			}
		}
		out[key] = text
	}
	return out
}

// moved are the entries of a map that a plan changes, with their values to come.
func moved(before, after map[string]string) map[string]string {
	out := make(map[string]string)
	for key, text := range after {
		if before[key] != text {
			out[key] = text
		}
	}
	return out
}

// A plan says of each object which field moves, from what to what, and the apply makes exactly that.
func TestAccPlanTellsEveryField(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	free := fields{"deletion_protection": false}
	store := mustApply(t, h, nil, a.fields(free))
	for _, step := range []struct {
		reason string
		change fields
		want   map[string]string // object -> what its text contains
	}{
		{
			"a larger plan is another quota", fields{"plan": "premium"},
			map[string]string{
				"ResourceQuota/services": "spec.hard.limits.cpu 2 -> 4", "ResourceQuota/jobs": "spec.hard", "ResourceQuota/objects": "spec.hard.requests.storage",
				"LimitRange/defaults": "", "Namespace/store-" + a.name: "metadata.labels.storeplatform.io/plan standard -> premium",
			},
		},
		{
			"a title reaches the chart's objects", fields{"plan": "premium", "woocommerce": fields{"title": "Beta", "admin_email": "a@acme.example"}},
			map[string]string{"ConfigMap/settings": "data.SHOP_TITLE Acme -> Beta", "Release/store": ""},
		},
		{
			"an owner is a label", fields{"plan": "premium", "owner": "other", "woocommerce": fields{"title": "Beta", "admin_email": "a@acme.example"}},
			map[string]string{"Namespace/store-" + a.name: "metadata.labels.storeplatform.io/owner team -> other"},
		},
		{
			"another egress profile is another policy", fields{"plan": "premium", "owner": "other", "egress": "none", "woocommerce": fields{"title": "Beta", "admin_email": "a@acme.example"}},
			map[string]string{"NetworkPolicy/egress": "", "NetworkPolicy/egress-setup": ""},
		},
	} {
		config := a.fields(step.change)
		maps.Copy(config, free)
		plan := h.plan(storeType, store, config)
		if strings.Contains(plan.messages, "ERROR") {
			t.Fatalf("%s: %s", step.reason, plan.messages)
		}
		before := stringsIn(t, store.state, "objects")
		got := moved(before, stringsIn(t, plan.state, "objects"))
		for key, part := range step.want {
			if text, ok := got[key]; ok && !strings.Contains(text, part) {
				t.Errorf("%s: %s = %q does not say %q", step.reason, key, text, part)
			}
		}
		t.Logf("%s: %v", step.reason, got)
		for key := range got {
			if _, expected := step.want[key]; !expected && !strings.HasPrefix(key, "Job/") {
				t.Errorf("%s: %s moves, too: %q", step.reason, key, got[key])
			}
		}
		next, messages := h.applyPlan(storeType, store, config, plan)
		if strings.Contains(messages, "ERROR") || strings.Contains(messages, "Object Changed") {
			t.Fatalf("%s: %s", step.reason, messages)
		}
		read, messages := h.read(storeType, next)
		if strings.Contains(messages, "ERROR") {
			t.Fatal(messages)
		}
		if diff := cmp.Diff(stringsIn(t, next.state, "objects"), stringsIn(t, read.state, "objects")); diff != "" {
			t.Errorf("%s: a refresh after the apply moves state (-applied +read)\n%s", step.reason, diff)
		}
		store = read
	}
	mustApply(t, h, store, nil)
}

// Terraform plans once more during the apply. What was known in the plan must come out the same then, whatever the cluster has
// become: here another ingress class, and an object that somebody has changed meanwhile.
func TestAccPlanDoesNotDependOnTheMoment(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	at := func(class string) *harness {
		return configuredHarness(t, fields{"config_path": a.cluster.KubeconfigPath, "fleet": a.fleet, "dns_servers": []any{a.cluster.DNS}, "ingress_class": class})
	}
	free := fields{"deletion_protection": false, "host": a.name + ".example.test"}
	store := mustApply(t, at("one"), nil, a.fields(free))
	config := a.fields(fields{"plan": "premium"})
	maps.Copy(config, free)
	first := at("one").plan(storeType, store, config)

	quotas := a.cluster.Client().CoreV1().ResourceQuotas("store-" + a.name)
	if _, err := quotas.Patch(t.Context(), "services", types.MergePatchType, []byte(`{"spec":{"hard":{"pods":"99"}}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	later := at("two")
	second := later.plan(storeType, store, config)
	for _, name := range []string{"objects", "quota"} {
		if diff := cmp.Diff(stringsIn(t, first.state, name), stringsIn(t, second.state, name)); diff != "" {
			t.Errorf("%s at the second plan (-first +second)\n%s", name, diff)
		}
	}
	if text := stringsIn(t, first.state, "objects")["Ingress/store"]; text == "?" {
		t.Error("what depends on the cluster is known to the state, but not planned")
	}
	// Created anew, what depends on the cluster is known only after the apply.
	fresh := at("one").plan(storeType, nil, a.fields(fields{"name": a.name + "-2", "host": a.name + "-2.example.test"}))
	var unknown []string
	for key, text := range stringsIn(t, fresh.state, "objects") {
		if text == "?" {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	if diff := cmp.Diff([]string{"Ingress/store", "NetworkPolicy/acme-solver", "NetworkPolicy/egress", "NetworkPolicy/ingress-controller"}, unknown); diff != "" {
		t.Errorf("unknown at create (-want +got)\n%s", diff)
	}
	applied, messages := later.applyPlan(storeType, store, config, second)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	read, messages := later.read(storeType, applied)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	if after := later.plan(storeType, read, config); len(moved(stringsIn(t, read.state, "objects"), stringsIn(t, after.state, "objects"))) != 0 {
		t.Errorf("not settled after the apply: %v", moved(stringsIn(t, read.state, "objects"), stringsIn(t, after.state, "objects")))
	}
	mustApply(t, later, read, nil)
}

// State stays small, also when everything of a store is not as it should be.
func TestAccStateStaysSmall(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false, "host": a.name + ".example.test"}))
	measure := func(what string, o *object) {
		t.Helper()
		data, err := json.Marshal(plain(o.state))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes of state, %d of private state", what, len(data), len(o.private))
		if total := len(data) + len(o.private); total > 8<<10 {
			t.Errorf("%s: %d bytes, at most 8 KiB are allowed", what, total)
		}
	}
	measure("as desired", store)
	client := a.cluster.Client()
	namespace := "store-" + a.name
	for _, policy := range []string{"default-deny", "dns", "egress", "ingress-controller"} {
		if err := client.NetworkingV1().NetworkPolicies(namespace).Delete(t.Context(), policy, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 4000)
	for _, name := range []string{"files", "settings"} {
		if _, err := client.CoreV1().ConfigMaps(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(`{"data":{"a":"`+long+`","b":"`+long+`"}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
			t.Fatal(err)
		}
	}
	read, messages := h.read(storeType, store)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	measure("with drift", read)
	mustApply(t, h, read, nil)
}
