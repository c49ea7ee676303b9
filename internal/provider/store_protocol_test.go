package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

// onCluster is a harness whose provider points to the test cluster.
func (a acceptance) onCluster(t *testing.T) *harness {
	t.Helper()
	return configuredHarness(t, fields{"config_path": a.cluster.KubeconfigPath, "fleet": a.fleet, "dns_servers": []any{a.cluster.DNS}})
}

func (a acceptance) fields(changes fields) fields {
	out := storeFields(fields{"name": a.name, "data_retention": "delete"})
	for name, change := range changes {
		out[name] = change
	}
	return out
}

// mustApply applies and fails the test on an error.
func mustApply(t *testing.T, h *harness, prior *object, config fields) *object {
	t.Helper()
	got, messages := h.apply(storeType, prior, config)
	if strings.Contains(messages, "ERROR") {
		t.Fatalf("apply: %s", messages)
	}
	return got
}

func mustSay(t *testing.T, messages string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(messages, part) {
			t.Errorf("the message does not say %q:\n%s", part, messages)
		}
	}
}

func (a acceptance) namespaceExists(t *testing.T) bool {
	t.Helper()
	_, err := a.cluster.Client().CoreV1().Namespaces().Get(t.Context(), "store-"+a.name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func TestAccProtectedStoreSurvivesEverything(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	config := a.fields(nil)
	store := mustApply(t, h, nil, config)

	for name, test := range map[string]struct {
		prior  *object
		config fields
		want   []string
	}{
		"destroy":        {store, nil, []string{"Store Is Protected", "deletion_protection = false"}},
		"rename":         {store, a.fields(fields{"name": a.name + "-2"}), []string{"ERROR name", "Store Is Protected", a.name + "-2"}},
		"rename, lifted": {store, a.fields(fields{"name": a.name + "-2", "deletion_protection": false}), []string{"Store Is Protected", "apply, then make the change"}},
		"other engine":   {store, a.fields(fields{"woocommerce": nil, "medusa": fields{"image": "x:1", "admin_email": "a@acme.example"}}), []string{"ERROR medusa", "woocommerce -> medusa"}},
		"taint":          {nil, config, []string{"Store Is Protected", "terraform untaint", "import {"}}, // a tainted object is planned as a create
	} {
		got := h.plan(storeType, test.prior, test.config)
		if !strings.Contains(got.messages, "ERROR") {
			t.Errorf("%s is not refused at plan", name)
		}
		mustSay(t, got.messages, test.want...)
	}

	// -replace and taint end in a Delete that no plan announced.
	kept, messages := h.applyPlan(storeType, store, nil, planned{state: value(h.resourceType(storeType), nil), private: store.private})
	mustSay(t, messages, "ERROR", "Store Is Protected", "terraform untaint")
	if kept == nil || !a.namespaceExists(t) {
		t.Fatal("Delete touched a protected store")
	}

	lifted := mustApply(t, h, store, a.fields(fields{"deletion_protection": false}))
	renamed := h.plan(storeType, lifted, a.fields(fields{"name": a.name + "-2", "deletion_protection": false}))
	if strings.Contains(renamed.messages, "ERROR") || len(renamed.replace) == 0 {
		t.Errorf("a store whose protection was lifted can be renamed: %s %v", renamed.messages, renamed.replace)
	}
	engine := h.plan(storeType, lifted, a.fields(fields{"deletion_protection": false, "woocommerce": nil, "medusa": fields{"image": "x:1", "admin_email": "a@acme.example"}}))
	if strings.Contains(engine.messages, "ERROR") || len(engine.replace) == 0 {
		t.Errorf("a store whose protection was lifted can change its engine: %s %v", engine.messages, engine.replace)
	}
	if left := mustApply(t, h, lifted, nil); left != nil || a.namespaceExists(t) {
		t.Error("the store is still there")
	}
}

func TestAccFailedCreateIsTrackedAndResumed(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	a.cluster.Misbehave(t, "store-"+a.name, testcluster.NeverPull)
	h := a.onCluster(t)
	config := a.fields(fields{"timeouts": fields{"create": "8s"}})
	failed, messages := h.apply(storeType, nil, config)
	mustSay(t, messages, "ERROR", "Store Not Ready", a.name, "it resumes", "/web")
	if failed == nil {
		t.Fatal("the failed create is not tracked")
	}
	if got := failed.attribute("ready"); !strings.Contains(got, "false") {
		t.Errorf("ready = %s", got)
	}
	refreshed, messages := h.read(storeType, failed)
	if strings.Contains(messages, "ERROR") || refreshed == nil {
		t.Fatalf("refresh of a half-made store: %s", messages)
	}

	// Terraform taints it: the next apply is a Delete and a Create.
	plan := h.plan(storeType, nil, config)
	mustSay(t, plan.messages, "WARNING", "Store Will Be Resumed")
	left, messages := h.applyPlan(storeType, refreshed, nil, planned{state: value(h.resourceType(storeType), nil), private: refreshed.private})
	mustSay(t, messages, "WARNING", "Store Is Resumed", "goes on from there", "renamed or removed", "import {", fmt.Sprintf("id = %q", a.name))
	if left != nil || !a.namespaceExists(t) {
		t.Fatal("the Delete of a half-made protected store must keep it")
	}
	a.cluster.Misbehave(t, "store-"+a.name, testcluster.Healthy)
	done, messages := h.applyPlan(storeType, nil, config, plan)
	if strings.Contains(messages, "ERROR") || done == nil {
		t.Fatalf("resume: %s", messages)
	}
	if again := h.plan(storeType, done, config); !again.state.Equal(done.state) {
		t.Errorf("the plan after a resume is not empty")
	}
	mustApply(t, h, mustApply(t, h, done, a.fields(fields{"deletion_protection": false})), nil)
}

func TestAccUntaintedHalfMadeStoreIsUpdated(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	a.cluster.Misbehave(t, "store-"+a.name, testcluster.CrashLoop)
	h := a.onCluster(t)
	failed, messages := h.apply(storeType, nil, a.fields(fields{"timeouts": fields{"create": "8s"}, "deletion_protection": false}))
	mustSay(t, messages, "Store Not Ready")
	a.cluster.Misbehave(t, "store-"+a.name, testcluster.Healthy)
	refreshed, _ := h.read(storeType, failed)
	done := mustApply(t, h, refreshed, a.fields(fields{"deletion_protection": false}))
	if got := done.attribute("ready"); !strings.Contains(got, "true") {
		t.Errorf("ready = %s", got)
	}
	mustApply(t, h, done, nil)
}

func TestAccForeignNamespace(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	namespaces := a.cluster.Client().CoreV1().Namespaces()
	if _, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "store-" + a.name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended.
		if err := namespaces.Delete(context.Background(), "store-"+a.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	h := a.onCluster(t)
	mustSay(t, h.plan(storeType, nil, a.fields(nil)).messages, "ERROR", "Namespace Not Owned", "import {", "adopt_existing = true")
	_, messages := h.importByIdentity(storeType, fields{"name": a.name})
	mustSay(t, messages, "ERROR", "Namespace Not Owned")

	config := a.fields(fields{"adopt_existing": true, "deletion_protection": false})
	mustSay(t, h.plan(storeType, nil, config).messages, "WARNING", "Namespace Will Be Adopted")
	store := mustApply(t, h, nil, config)
	if left := mustApply(t, h, store, nil); left != nil || !a.namespaceExists(t) {
		t.Error("the destroy must keep the namespace that it did not make")
	}
}

func TestAccImportByIdentity(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	config := a.fields(fields{"deletion_protection": false, "host": a.name + ".acme.example"})
	store := mustApply(t, h, nil, config)
	for name, identity := range map[string]fields{"name": {"name": a.name}, "name and fleet": {"name": a.name, "fleet": a.fleet}} {
		imported, messages := h.importByIdentity(storeType, identity)
		if imported == nil || messages != "" {
			t.Fatalf("import by %s: %s", name, messages)
		}
		if differences, _ := store.state.Diff(imported.state); len(differences) > 0 {
			t.Errorf("import by %s lost something: %v", name, differences)
		}
		if plan := h.plan(storeType, imported, config); !plan.state.Equal(imported.state) {
			t.Errorf("the plan after the import by %s is not empty: %s", name, plan.messages)
		}
	}
	_, messages := h.importByIdentity(storeType, fields{"name": a.name, "fleet": "other"})
	mustSay(t, messages, "ERROR", "Another Fleet", "other")
	_, messages = h.importBy(&tfprotov6.ImportResourceStateRequest{TypeName: storeType, ID: a.name + "-none"})
	mustSay(t, messages, "ERROR", "Store Not Found")

	plan, messages := h.apply("storeplatform_plan", nil, fields{"name": "gold"})
	mustSay(t, messages, "")
	imported, messages := h.importByIdentity("storeplatform_plan", fields{"name": "gold"})
	if imported == nil || !imported.state.Equal(plan.state) {
		t.Errorf("import of a plan lost something: %s", messages)
	}
	domainHost := "d-" + a.name + ".acme.example"
	domain, messages := h.apply("storeplatform_domain", nil, fields{"store": a.name, "host": domainHost})
	mustSay(t, messages, "WARNING", "Domain Not Verified")
	imported, messages = h.importByIdentity("storeplatform_domain", fields{"host": domainHost})
	if imported == nil || domain == nil || imported.attribute("ingress") != domain.attribute("ingress") {
		t.Errorf("import of a domain lost something: %s", messages)
	}
	h.apply("storeplatform_domain", domain, nil)
	h.apply("storeplatform_plan", plan, nil)
	mustApply(t, h, store, nil)
}

func TestAccUnknownConfiguration(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	blind := configuredHarness(t, fields{"kubeconfig": unknown{}, "fleet": a.fleet})
	sighted := a.onCluster(t)
	config := a.fields(fields{"deletion_protection": false})

	first := blind.plan(storeType, nil, config)
	mustSay(t, first.messages, "WARNING woocommerce.smtp", "sends no mail")
	if strings.Count(first.messages, "WARNING") != 1 || strings.Contains(first.messages, "ERROR") {
		t.Fatalf("plan without a cluster: %s", first.messages)
	}
	if got := attributeOf(first.state, "objects.Deployment/web"); len(got) < 8 {
		t.Errorf("the plan does not show the objects: %s", got)
	}
	second := sighted.plan(storeType, nil, config)
	sighted.conforms(first.state, second.state)
	store, messages := sighted.applyPlan(storeType, nil, config, second)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	sighted.conforms(first.state, store.state)

	kept, messages := blind.read(storeType, store)
	mustSay(t, messages, "WARNING", "Cluster Not Known Yet")
	if kept == nil || !kept.state.Equal(store.state) {
		t.Error("a refresh without a cluster must keep state")
	}
	if _, messages = blind.read(storeType, store); messages != "" {
		t.Errorf("a second warning: %s", messages)
	}
	if plan := blind.plan(storeType, store, config); !plan.state.Equal(store.state) {
		t.Error("a plan without a cluster and without a change is not empty")
	}
	changed := a.fields(fields{"deletion_protection": false, "owner": "other"})
	first, second = blind.plan(storeType, store, changed), sighted.plan(storeType, store, changed)
	sighted.conforms(first.state, second.state)
	mustApply(t, sighted, mustApply(t, sighted, store, changed), nil)
}

func TestAccReplacedClusterIsNoticed(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false}))
	moved, err := tftypes.Transform(store.state, func(at *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		if dotted(at) == `cluster_uid` {
			return tftypes.NewValue(tftypes.String, "another-cluster"), nil
		}
		return v, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	left, messages := h.read(storeType, &object{state: moved, private: store.private, identity: store.identity})
	mustSay(t, messages, "WARNING", "Cluster Is Another One", "another-cluster", "planned to be created")
	if left != nil {
		t.Error("a store of another cluster is not in this one")
	}
	mustApply(t, h, store, nil)
}
