package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

const storeAddress = "storeplatform_store.test"

// storeChange is one attribute that is changed in place.
type storeChange struct{ engine, name, expression string }

// lifeOfAStore creates a store, changes one attribute after the other, imports it, and destroys it.
func lifeOfAStore(t *testing.T, engine string, settings block, changes []storeChange) {
	t.Helper()
	a := newAcceptance(t)
	store := a.store(engine, settings)
	config := func() string { return a.config(store.with(engine, settings.object()).resource("storeplatform_store")) }
	steps := []resource.TestStep{{
		Config:           config(),
		ConfigPlanChecks: emptyAfter,
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("ready"), knownvalue.Bool(true)),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("id"), knownvalue.StringExact(a.name)),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("namespace"), knownvalue.StringExact("store-"+a.name)),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("release").AtMapKey("status"), knownvalue.StringExact("deployed")),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("release").AtMapKey("revision"), knownvalue.Int64Exact(1)),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("cluster_uid"), knownvalue.NotNull()),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("quota").AtMapKey("pods"), knownvalue.StringExact("10")),
		},
	}, importOf(storeAddress)}
	for _, change := range changes {
		// A host belongs to one store of the cluster.
		change.expression = strings.ReplaceAll(change.expression, "STORE", a.name)
		if change.engine == "" {
			store = store.with(change.name, change.expression)
		} else {
			settings = settings.with(change.name, change.expression)
		}
		step := updateOf(storeAddress, config())
		step.PreConfig = func() { t.Logf("change %s %s = %s", change.engine, change.name, change.expression) }
		steps = append(steps, step)
	}
	a.run(t, append(steps, importOf(storeAddress), importBlockOf(storeAddress, config()))...)
}

func TestAccStoreWooCommerce(t *testing.T) {
	t.Parallel()
	const engine = "woocommerce"
	lifeOfAStore(t, engine, wooCommerceBlock(), []storeChange{
		{engine, "title", `"Acme & Sons"`},
		{engine, "admin_email", `"other@acme.example"`},
		{engine, "admin_user", `"owner"`},
		{engine, "locale", `"de_DE"`},
		{engine, "version", `"10.0.1"`},
		{engine, "wordpress_version", `"7.0"`},
		{engine, "php_version", `"8.4"`},
		{engine, "plugin_source", `"https://mirror.acme.example/woocommerce.%s.zip"`},
		{engine, "plugin_sha256", `"` + sha + `"`},
		{engine, "registry", `"mirror.acme.example"`},
		{engine, "smtp", `{ host = "mail.acme.example", from = "shop@acme.example" }`},
		{engine, "smtp", `{ host = "mail.acme.example", from = "shop@acme.example", port = 2525, user = "shop", password_wo = "secret" }`},
		{engine, "smtp", ""},
		{"", "owner", `"other"`},
		{"", "plan", `"premium"`},
		{"", "host", `"STORE.acme.example"`},
		{"", "host", `"other-STORE.acme.example"`},
		{"", "host", ""},
		{"", "egress", `"none"`},
		{"", "data_retention", `"retain"`},
		{"", "data_retention", `"delete"`},
		{"", "adopt_existing", "true"},
		{"", "on_failure", `"keep"`},
		{"", "backup", `{ schedule = "0 3 * * *", keep = 3, size = "5120Mi" }`},
		{"", "backup", ""},
		{"", "rotation", `"2026-11"`},
		{"", "deletion_protection", "true"},
		{"", "deletion_protection", "false"},
		{"", "timeouts", `{ create = "5m", update = "6m", delete = "7m" }`},
		{"", "timeouts", ""}, // the cluster does not know them
	})
}

const sha = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Volumes of a class that can expand grow in place; of one that cannot, the plan says so and nothing is touched.
func TestAccStoreStorage(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	class := a.expandableClass(t)
	config := func(content, database string) string {
		storage := fmt.Sprintf("{ class = %q, content = %q, database = %q }", class, content, database)
		return a.config(a.store("woocommerce", wooCommerceBlock()).with("storage", storage).resource("storeplatform_store"))
	}
	a.run(t,
		resource.TestStep{Config: config("5Gi", "5Gi"), ConfigPlanChecks: emptyAfter},
		updateOf(storeAddress, config("6Gi", "5Gi")),
		updateOf(storeAddress, config("6Gi", "7Gi")),
		importOf(storeAddress),
		refused(config("4Gi", "7Gi"), "PersistentVolumeClaim/content", "less than"),
		resource.TestStep{Config: config("6Gi", "7Gi"), PlanOnly: true},
	)
}

// expandableClass makes a storage class of this test's own, whose volumes can grow.
func (a acceptance) expandableClass(t *testing.T) string {
	t.Helper()
	expands, mode := true, storagev1.VolumeBindingWaitForFirstConsumer
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: a.name}, Provisioner: "rancher.io/local-path", AllowVolumeExpansion: &expands, VolumeBindingMode: &mode,
	}
	classes := a.cluster.Client().StorageV1().StorageClasses()
	if _, err := classes.Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := classes.Delete(context.Background(), a.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return a.name
}

// Somebody makes a volume larger, which nobody can take back: the configuration can follow, and the store can go.
func TestAccStoreWithGrownVolumes(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	class := a.expandableClass(t)
	config := func(content string) string {
		storage := fmt.Sprintf("{ class = %q, content = %q, database = \"5Gi\" }", class, content)
		return a.config(a.store("woocommerce", wooCommerceBlock()).with("storage", storage).resource("storeplatform_store"))
	}
	a.run(t,
		resource.TestStep{Config: config("5Gi"), ConfigPlanChecks: emptyAfter},
		resource.TestStep{PreConfig: a.grow(t, "content", "10Gi"), Config: config("5Gi"), PlanOnly: true, ExpectNonEmptyPlan: true},
		updateOf(storeAddress, config("10Gi")),
		resource.TestStep{PreConfig: a.grow(t, "database", "8Gi"), RefreshState: true, ExpectNonEmptyPlan: true},
	)
}

// grow makes a volume of the store larger.
func (a acceptance) grow(t *testing.T, claim, size string) func() {
	t.Helper()
	return func() {
		patch := fmt.Appendf(nil, `{"spec":{"resources":{"requests":{"storage":%q}}}}`, size)
		claims := a.cluster.Client().CoreV1().PersistentVolumeClaims("store-" + a.name)
		if _, err := claims.Patch(t.Context(), claim, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
			t.Error(err)
		}
	}
}

func TestAccStoreMedusa(t *testing.T) {
	t.Parallel()
	const engine = "medusa"
	lifeOfAStore(t, engine, medusaBlock(), []storeChange{
		{engine, "image", `"registry.acme.example/shop:1.5.0"`},
		{engine, "admin_email", `"other@acme.example"`},
		{"", "plan", `"premium"`},
		{engine, "cache", "true"},
		{engine, "worker", "true"},
		{engine, "cors", `["https://shop.acme.example"]`},
		{engine, "registry", `"mirror.acme.example"`},
		{"", "host", `"STORE.acme.example"`},
		{engine, "cache", "false"},
	})
}

func TestAccStoreChart(t *testing.T) {
	t.Parallel()
	const engine = "chart"
	source := func(version string) string { return fmt.Sprintf("%q", writeChart(t, version)) }
	lifeOfAStore(t, engine, block{"source": source("1.0.0"), "service": `"web"`}, []storeChange{
		{engine, "source", source("1.1.0")},
		{engine, "version", `"1.1.0"`},
		{engine, "values", `"replicas: 2\n"`},
		{engine, "port", "8080"},
		{engine, "target", "8081"},
		{engine, "service", ""},
		{engine, "username", `"user"`},
	})
}

// An update that fails is undone and planned again; a store can be brought back to an earlier revision, and stays there.
func TestAccStoreRollsBack(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := func(version, values, rollback string) string {
		settings := block{"source": fmt.Sprintf("%q", writeChart(t, version)), "values": values, "service": `"web"`}
		return a.config(a.store("chart", settings).with("rollback_to", rollback).resource("storeplatform_store"))
	}
	const one, many = `"replicas: 1\n"`, `"replicas: 40\n"` // more than the plan has room for
	old, next := config("1.0.0", one, ""), config("1.1.0", one, "")
	revision := func(version string, statuses ...string) []statecheck.StateCheck {
		checks := []statecheck.StateCheck{
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("release").AtMapKey("chart_version"), knownvalue.StringExact(version)),
			statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("ready"), knownvalue.Bool(true)),
		}
		for i, status := range statuses {
			at := tfjsonpath.New("release").AtMapKey("history").AtSliceIndex(i).AtMapKey("status")
			checks = append(checks, statecheck.ExpectKnownValue(storeAddress, at, knownvalue.StringExact(status)))
		}
		return checks
	}
	forward, back, again := updateOf(storeAddress, next), updateOf(storeAddress, config("1.1.0", one, "1")), updateOf(storeAddress, next)
	forward.ConfigStateChecks = revision("1.1.0", "superseded", "superseded", "superseded", "deployed")
	back.ConfigStateChecks = revision("1.0.0", "superseded", "superseded", "superseded", "superseded", "deployed")
	again.ConfigStateChecks = revision("1.1.0")
	a.run(t,
		resource.TestStep{Config: old, ConfigPlanChecks: emptyAfter},
		resource.TestStep{Config: config("1.1.0", many, ""), ExpectError: messageOf("exceeded quota", "rolled back to what it was in revision 1")},
		resource.TestStep{Config: old, PlanOnly: true},
		forward,
		back,
		importOf(storeAddress),
		refused(config("1.1.0", one, "99"), "rollback_to", "is not in the history of the release"),
		again,
	)
}

func TestAccStoreSpellingsAreNoChange(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	settings := block{"source": fmt.Sprintf("%q", writeChart(t, "1.0.0")), "values": `jsonencode({ replicas = 1, labels = { a = "b" } })`, "service": `"web"`}
	store := a.store("chart", settings).with("host", fmt.Sprintf("\"%s.Acme.Example.\"", strings.ToUpper(a.name))).with("storage", `{ content = "1024Mi" }`)
	same := store.with("chart", settings.with("values", `"labels: {a: b}\nreplicas: 1\n"`).object()).
		with("host", fmt.Sprintf("\"%s.acme.example\"", a.name)).with("storage", `{ content = "1Gi" }`).with("plan", `"standard"`)
	none := emptyAfter
	none.PreApply = []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}
	a.run(t,
		resource.TestStep{Config: a.config(store.resource("storeplatform_store")), ConfigPlanChecks: emptyAfter},
		resource.TestStep{Config: a.config(same.resource("storeplatform_store")), ConfigPlanChecks: none},
	)
}

func TestAccStoreInheritsFromTheProvider(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := func(owner, domain string) string {
		return providerConfig(block{
			"kubeconfig": fmt.Sprintf("file(%q)", a.cluster.KubeconfigPath), "fleet": fmt.Sprintf("%q", a.fleet),
			"owner": fmt.Sprintf("%q", owner), "base_domain": fmt.Sprintf("%q", domain),
		}, a.store("woocommerce", wooCommerceBlock()).with("owner", "").resource("storeplatform_store"))
	}
	second := updateOf(storeAddress, config("second", "two.acme.example"))
	second.ConfigStateChecks = []statecheck.StateCheck{
		statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("owner"), knownvalue.StringExact("second")),
		statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("host"), knownvalue.StringExact(a.name+".two.acme.example")),
		statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("url"), knownvalue.StringExact("https://"+a.name+".two.acme.example")),
	}
	a.run(t, resource.TestStep{Config: config("first", "one.acme.example"), ConfigPlanChecks: emptyAfter}, second)
}

// With create_before_destroy the replacement of a store takes over what is there, of which Terraform then deletes the old object.
func TestAccStoreIsReplacedByItself(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	store := a.store("medusa", medusaBlock()).with("timeouts", `{ create = "30s" }`).resource("storeplatform_store")
	w := newWorkspace(t, a.config(strings.Replace(store, "{\n", "{\n  lifecycle {\n    create_before_destroy = true\n  }\n", 1)))
	says := func(out string, parts ...string) {
		t.Helper()
		if !messageOf(parts...).MatchString(out) {
			t.Errorf("want %q in:\n%s", parts, out)
		}
	}
	uid := func() types.UID {
		t.Helper()
		namespace, err := a.cluster.Client().CoreV1().Namespaces().Get(t.Context(), "store-"+a.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return namespace.UID
	}

	a.cluster.Misbehave(t, "store-"+a.name, testcluster.NeverPull)
	if out, err := w.try("apply", "-auto-approve"); err == nil {
		t.Fatalf("the store became ready:\n%s", out)
	}
	before := uid()
	a.cluster.Misbehave(t, "store-"+a.name, testcluster.Healthy)
	says(w.run("apply", "-auto-approve"), "+/-", "Store Is Kept")
	w.run("plan", "-detailed-exitcode")

	says(w.run("apply", "-auto-approve", "-replace="+storeAddress), "+/-", "Store Is Kept")
	w.run("plan", "-detailed-exitcode")
	if uid() != before {
		t.Error("the store was deleted and made anew")
	}

	w.run("state", "rm", storeAddress)
	w.run("import", storeAddress, a.name)
	w.run("apply", "-auto-approve", "-destroy")
	if err := a.nothingLeft(nil); err != nil {
		t.Error(err)
	}
}
