package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// foreignNamespace makes the namespace of the test's store as somebody else would, with a ConfigMap in it. It is deleted when
// the test ends.
func (a acceptance) foreignNamespace(t *testing.T) {
	t.Helper()
	client := a.cluster.Client().CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "store-" + a.name, Labels: map[string]string{"team": "acme"}}}
	if _, err := client.Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended.
		if err := client.Namespaces().Delete(context.Background(), namespace.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Data: map[string]string{"key": "value"}}
	if _, err := client.ConfigMaps(namespace.Name).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// untouched fails when what others had in the namespace is gone or changed.
func (a acceptance) untouched(t *testing.T) {
	t.Helper()
	client := a.cluster.Client().CoreV1()
	theirs, err := client.ConfigMaps("store-"+a.name).Get(t.Context(), "theirs", metav1.GetOptions{})
	if err != nil || theirs.Data["key"] != "value" || len(theirs.Labels) > 0 {
		t.Errorf("what was in the namespace did not survive: %v %v", theirs, err)
	}
	namespace, err := client.Namespaces().Get(t.Context(), "store-"+a.name, metav1.GetOptions{})
	if err != nil || namespace.Labels["team"] != "acme" {
		t.Errorf("the namespace lost what others had put on it: %v %v", namespace.Labels, err)
	}
}

func (a acceptance) movedNamespace() source {
	return source{
		provider: "registry.terraform.io/hashicorp/kubernetes", typeName: "kubernetes_namespace_v1",
		state: fmt.Sprintf(`{"id": "store-%[1]s", "metadata": [{"name": "store-%[1]s"}]}`, a.name),
	}
}

func TestAccMovedNamespaceIsAdopted(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	a.foreignNamespace(t)
	h := a.onCluster(t)
	moved, messages := h.move(storeType, a.movedNamespace())
	mustSay(t, messages, "")

	kept, messages := h.read(storeType, moved)
	mustSay(t, messages, "WARNING", "Moved Store Not Adopted Yet", "adopt_existing = true", "store-"+a.name)
	if kept == nil || !kept.state.Equal(moved.state) {
		t.Fatal("the refresh of a store that is not adopted yet must keep its state")
	}
	for name, test := range map[string]struct {
		config fields
		want   []string
	}{
		"not adopting": {a.fields(nil), []string{"Namespace Not Owned", "adopt_existing = true"}},
		"destroy":      {nil, []string{"Store Is Protected", "terraform state rm", "destroy = false"}},
		"rename":       {a.fields(fields{"name": a.name + "-2", "adopt_existing": true}), []string{"Store Is Protected", a.name + "-2"}},
	} {
		plan := h.plan(storeType, kept, test.config)
		mustSay(t, plan.messages, append(test.want, "ERROR")...)
		if t.Failed() {
			t.Errorf("%s", name)
		}
	}
	a.untouched(t)

	config := a.fields(fields{"adopt_existing": true, "deletion_protection": false})
	plan := h.plan(storeType, kept, config)
	mustSay(t, plan.messages, "WARNING", "Namespace Will Be Adopted", "ConfigMap/theirs")
	if strings.Contains(plan.messages, "ERROR") || len(plan.replace) > 0 {
		t.Errorf("a moved store is adopted in place: %s %v", plan.messages, plan.replace)
	}
	if got := attributeOf(plan.state, "objects.Deployment/web"); len(got) < 8 {
		t.Errorf("the plan does not show the objects that the adoption makes: %s", got)
	}
	store, messages := h.applyPlan(storeType, kept, config, plan)
	if messages != "" {
		t.Fatalf("adopt: %s", messages)
	}
	if strings.Contains(string(store.private), movedFrom) {
		t.Errorf("the note of the move is still there: %s", store.private)
	}
	a.untouched(t)
	again, messages := h.read(storeType, store)
	mustSay(t, messages, "")
	if plan := h.plan(storeType, again, config); plan.messages != "" || !plan.state.Equal(again.state) {
		t.Errorf("the plan after an adoption is not empty: %s", plan.messages)
	}
	mustApply(t, h, again, nil)
	a.untouched(t)
}

// The same with a real CLI, which has in its state what hashicorp/kubernetes would have left there.
func TestAccMovedBlock(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	a.foreignNamespace(t)
	const body = `
moved {
  from = kubernetes_namespace_v1.acme
  to   = storeplatform_store.test
}
`
	store := a.store("woocommerce", wooCommerceBlock())
	w := newWorkspace(t, a.config(store.resource("storeplatform_store")+body), "hashicorp/kubernetes")
	w.write("terraform.tfstate", fmt.Sprintf(`{
  "version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": "7b1f3e34-0f43-4b4e-8a5f-1a1f6f1c2d3e", "outputs": {},
  "resources": [{
    "mode": "managed", "type": "kubernetes_namespace_v1", "name": "acme", "provider": "provider[\"%s/hashicorp/kubernetes\"]",
    "instances": [{"schema_version": 0, "attributes": %s, "sensitive_attributes": []}]
  }]
}`, w.registry(), a.movedNamespace().state))

	out, err := w.try("plan")
	if err == nil {
		t.Errorf("a plan that does not adopt is not refused:\n%s", out)
	}
	for _, part := range []string{"Moved Store Not Adopted Yet", "Namespace Not Owned", "adopt_existing = true"} {
		if !messageOf(part).MatchString(out) {
			t.Errorf("the plan does not say %q:\n%s", part, out)
		}
	}
	w.write("main.tf", a.config(store.with("adopt_existing", "true").resource("storeplatform_store")+body))
	out = w.run("apply", "-auto-approve")
	for _, part := range []string{"kubernetes_namespace_v1.acme", "0 added, 1 changed, 0 destroyed"} {
		if !strings.Contains(out, part) {
			t.Errorf("the apply does not say %q:\n%s", part, out)
		}
	}
	w.run("plan", "-detailed-exitcode")
	a.untouched(t)
	w.run("destroy", "-auto-approve")
	a.untouched(t)
}

// A resource whose provider comes to another address keeps its state.
func TestAccMovedToAnotherAddress(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	plan := block{"name": `"gold"`, "cpu": `"3000m"`}
	elsewhere := func(body string) string {
		return strings.ReplaceAll(a.config(body), `source = "storeplatform/storeplatform"`, `source = "acme/storeplatform"`)
	}
	w := newWorkspace(t, elsewhere(plan.resource("storeplatform_plan")), "acme/storeplatform")
	w.run("apply", "-auto-approve")
	want := w.resources()

	w.write("main.tf", a.config(plan.resource("storeplatform_plan")))
	w.run("plan", "-detailed-exitcode") // the same resource with another source

	both := strings.Replace(a.config(""), "required_providers {", "required_providers {\n    old = { source = \"acme/storeplatform\" }", 1)
	w.write("main.tf", both+strings.Replace(plan.resource("storeplatform_plan"), `"test"`, `"new"`, 1)+`
moved {
  from = storeplatform_plan.test
  to   = storeplatform_plan.new
}
`)
	out := w.run("plan")
	if !strings.Contains(out, "0 to add, 0 to change, 0 to destroy") {
		t.Errorf("a move to another address is no change:\n%s", out)
	}
	w.run("apply", "-auto-approve")
	if diff := cmp.Diff(want["storeplatform_plan.test"], w.resources()["storeplatform_plan.new"]); diff != "" {
		t.Errorf("the move lost something (-want +got)\n%s", diff)
	}
	w.run("plan", "-detailed-exitcode")
	w.run("destroy", "-auto-approve")
}
