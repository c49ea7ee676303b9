package provider

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// TestAccAnotherClusterUnderTheSameConfiguration moves the provider to another cluster, which happens to have the same objects:
// a refresh lets go of them, and an apply that did not refresh touches nothing.
func TestAccAnotherClusterUnderTheSameConfiguration(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	const uid = "7d1f9c0e-0000-4000-8000-000000000000"
	here := a.onCluster(t)
	there := configuredHarness(t, fields{"config_path": otherCluster(t, a, uid).kubeconfig, "fleet": a.fleet, "dns_servers": []any{a.cluster.DNS}})
	domain := fields{"store": a.name, "host": "d-" + a.name + ".acme.example"}
	made := map[string]*object{}
	for _, one := range []struct {
		typeName string
		config   fields
	}{{"storeplatform_plan", fields{"name": "gold"}}, {storeType, a.fields(fields{"deletion_protection": false})}, {"storeplatform_domain", domain}} {
		object, messages := here.apply(one.typeName, nil, one.config)
		if object == nil {
			t.Fatal(messages)
		}
		made[one.typeName] = object
	}
	for typeName, object := range made {
		left, messages := there.read(typeName, object)
		mustSay(t, messages, "WARNING", "Cluster Is Another One", uid, "planned to be created")
		if left != nil {
			t.Errorf("%s of another cluster is still in state", typeName)
		}
		kept, messages := there.applyPlan(typeName, object, nil, planned{state: value(there.resourceType(typeName), nil), private: object.private})
		mustSay(t, messages, "ERROR", "Cluster Is Another One", "Tried to delete", uid, "Nothing was touched", "-refresh=false")
		if kept == nil || !kept.state.Equal(object.state) {
			t.Errorf("the refused delete of %s lost state", typeName)
		}
		if same, messages := here.read(typeName, object); same == nil || !same.state.Equal(object.state) {
			t.Errorf("%s was touched: %s", typeName, messages)
		}
	}
	for typeName, change := range map[string]fields{"storeplatform_plan": {"name": "gold", "pods": 12}, storeType: a.fields(fields{"deletion_protection": false, "owner": "other"})} {
		kept, messages := there.apply(typeName, made[typeName], change)
		mustSay(t, messages, "ERROR", "Cluster Is Another One", "Tried to update", uid)
		if kept == nil || !kept.state.Equal(made[typeName].state) {
			t.Errorf("the refused update of %s lost state", typeName)
		}
		if same, messages := here.read(typeName, made[typeName]); same == nil || !same.state.Equal(made[typeName].state) {
			t.Errorf("%s was touched: %s", typeName, messages)
		}
	}

	mustApply(t, here, made[storeType], nil)
	left, messages := there.read(storeType, made[storeType])
	mustSay(t, messages, "WARNING", "Cluster Is Another One") // not that it is gone, which it was not where it was made
	if left != nil {
		t.Error("a store that this cluster does not have is still in state")
	}
	for _, typeName := range []string{"storeplatform_domain", "storeplatform_plan"} {
		if _, messages := here.apply(typeName, made[typeName], nil); messages != "" {
			t.Errorf("destroy %s: %s", typeName, messages)
		}
	}
}

func TestAccStateWithoutAClusterIsGivenOne(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	plan, messages := h.apply("storeplatform_plan", nil, fields{"name": "gold"})
	if plan == nil {
		t.Fatal(messages)
	}
	older := &object{state: plan.state, identity: plan.identity}
	refreshed, messages := h.read("storeplatform_plan", older)
	if refreshed == nil || messages != "" || !refreshed.state.Equal(plan.state) {
		t.Fatalf("a state from before is as good: %s", messages)
	}
	var private map[string][]byte
	if err := json.Unmarshal(refreshed.private, &private); err != nil || len(private[homeCluster]) == 0 {
		t.Errorf("the refresh does not note the cluster: %s %v", refreshed.private, err)
	}
	if _, messages := h.apply("storeplatform_plan", older, nil); messages != "" {
		t.Errorf("a delete without a refresh: %s", messages)
	}

	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false}))
	without, err := tftypes.Transform(store.state, func(at *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		if dotted(at) == "cluster_uid" {
			return tftypes.NewValue(tftypes.String, nil), nil
		}
		return v, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	refreshed, messages = h.read(storeType, &object{state: without, private: store.private, identity: store.identity})
	if refreshed == nil || !refreshed.state.Equal(store.state) {
		t.Errorf("a store without a cluster is given one: %s", messages)
	}
	mustApply(t, h, store, nil)
}
