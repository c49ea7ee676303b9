package provider

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestAccDomainDriftAndClaims(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	host, own := "d-"+a.name+".acme.example", "own-"+a.name+".acme.example"
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false, "host": own}))
	config := fields{"store": a.name, "host": host}
	domain, messages := h.apply(domainType, nil, config)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	if got := h.plan(domainType, domain, config); got.messages != "" || !got.state.Equal(domain.state) {
		t.Fatalf("there is something to do at once: %s %s", got.messages, got.state)
	}

	ingresses := a.cluster.Client().NetworkingV1().Ingresses("store-" + a.name)
	_, err := ingresses.Patch(t.Context(), domain.attribute("ingress"), types.JSONPatchType,
		[]byte(`[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"evil"}]`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		t.Fatal(err)
	}
	domain, _ = h.read(domainType, domain)
	plan := h.plan(domainType, domain, config)
	mustSay(t, plan.messages, "WARNING", "Domain Will Be Repaired", "service.name = evil, want web", "kubectl-edit")
	if len(plan.replace) > 0 || attributeOf(plan.state, "records") != "(unknown)" || attributeOf(plan.state, "url") != "https://"+host {
		t.Errorf("what the cluster says of it is known after the apply, and nothing else: %s", plan.state)
	}
	if domain, messages = h.applyPlan(domainType, domain, config, plan); strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	if got := h.plan(domainType, domain, config); got.messages != "" || !got.state.Equal(domain.state) {
		t.Errorf("not repaired: %s %s", got.messages, got.state)
	}

	// Hosts that others have are refused at plan.
	fleet := configuredHarness(t, fields{"config_path": a.cluster.KubeconfigPath, "fleet": a.fleet + "-other", "dns_servers": []any{a.cluster.DNS}})
	neighbour := a.onCluster(t)
	for name, got := range map[string]planned{
		"domain, other fleet":        fleet.plan(domainType, nil, fields{"store": "other", "host": host}),
		"host of store, other fleet": fleet.plan(domainType, nil, fields{"store": "other", "host": own}),
		"store, other fleet":         fleet.plan(storeType, nil, a.fields(fields{"name": a.name + "-2", "host": own})),
		"domain, other store":        neighbour.plan(domainType, nil, fields{"store": "other", "host": host}),
		"store, other store":         neighbour.plan(storeType, nil, a.fields(fields{"name": a.name + "-2", "host": host})),
	} {
		if !strings.Contains(got.messages, "ERROR") || !strings.Contains(got.messages, "Host Claimed by Another Store") || !strings.Contains(got.messages, a.name) {
			t.Errorf("%s is not refused at plan: %s", name, got.messages)
		}
	}
	store, _ = h.read(storeType, store)
	// What this run has in state may go, or change its host, in the same apply.
	for name, got := range map[string]planned{
		"replaced domain": h.plan(domainType, nil, fields{"store": a.name + "-2", "host": host}),
		"renamed store":   h.plan(storeType, nil, a.fields(fields{"name": a.name + "-2", "host": own})),
	} {
		if strings.Contains(got.messages, "ERROR") {
			t.Errorf("%s is refused: %s", name, got.messages)
		}
	}
	if left, messages := h.apply(domainType, domain, nil); left != nil || strings.Contains(messages, "ERROR") {
		t.Error(messages)
	}
	mustApply(t, h, store, nil)
}

// A store whose record is lost is repaired by the next apply, and its domain is not in the way.
func TestAccDomainOfAStoreWithoutRecord(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	shop := a.fields(fields{"deletion_protection": false})
	store := mustApply(t, h, nil, shop)
	config := fields{"store": a.name, "host": "d-" + a.name + ".acme.example"}
	domain, messages := h.apply(domainType, nil, config)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	if err := a.cluster.Client().CoreV1().Secrets("store-"+a.name).Delete(t.Context(), "storeplatform-record", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h = a.onCluster(t)
	if domain, messages = h.read(domainType, domain); domain == nil || strings.Contains(messages, "ERROR") {
		t.Fatalf("refresh: %s", messages)
	}
	if got := h.plan(domainType, domain, config); strings.Contains(got.messages, "ERROR") || !got.state.Equal(domain.state) {
		t.Errorf("the plan of the domain fails, or changes it: %s %s", got.messages, got.state)
	}
	store, _ = h.read(storeType, store)
	store = mustApply(t, h, store, shop)
	if got := h.plan(domainType, domain, config); got.messages != "" || !got.state.Equal(domain.state) {
		t.Errorf("there is something to do: %s %s", got.messages, got.state)
	}
	if left, messages := h.apply(domainType, domain, nil); left != nil || strings.Contains(messages, "ERROR") {
		t.Error(messages)
	}
	mustApply(t, h, store, nil)
}
