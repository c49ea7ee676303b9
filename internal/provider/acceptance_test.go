package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

// acceptance is one acceptance test: a real CLI, this provider in process, a real API server, and a fleet of its own.
type acceptance struct {
	cluster *testcluster.Cluster
	fleet   string
	name    string // of a store that nobody else has
}

func newAcceptance(t *testing.T) acceptance {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("acceptance tests run with TF_ACC=1")
	}
	cluster := testcluster.Start(t)
	fleet := cluster.Fleet(t)
	return acceptance{cluster: cluster, fleet: fleet, name: "s" + strings.TrimPrefix(fleet, "t")}
}

func factories() map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){
		"storeplatform": func() (tfprotov6.ProviderServer, error) { return Server("test")(), nil },
	}
}

// run runs the steps and checks that they leave nothing behind.
func (a acceptance) run(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: factories(), Steps: steps, CheckDestroy: a.nothingLeft})
}

// nothingLeft fails when anything of the fleet is still in the cluster.
func (a acceptance) nothingLeft(*terraform.State) error {
	ctx, client := context.Background(), a.cluster.Client()
	if _, err := client.CoreV1().Namespaces().Get(ctx, "store-"+a.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace store-%s is still there: %w", a.name, errors.Join(err, errors.New("expected it to be gone")))
	}
	ours := metav1.ListOptions{LabelSelector: "storeplatform.io/fleet=" + a.fleet}
	secrets, err := client.CoreV1().Secrets("").List(ctx, ours)
	if err != nil {
		return err
	}
	maps, err := client.CoreV1().ConfigMaps("").List(ctx, ours)
	if err != nil {
		return err
	}
	var left []string
	for _, one := range secrets.Items {
		left = append(left, "Secret "+one.Namespace+"/"+one.Name)
	}
	for _, one := range maps.Items {
		left = append(left, "ConfigMap "+one.Namespace+"/"+one.Name)
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}

// deleteNamespace deletes the store's namespace as somebody else would, and waits until it is gone.
func (a acceptance) deleteNamespace(ctx context.Context) error {
	namespaces := a.cluster.Client().CoreV1().Namespaces()
	if err := namespaces.Delete(ctx, "store-"+a.name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, "store-"+a.name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

// config is a configuration with this test's provider.
func (a acceptance) config(body string) string {
	return providerConfig(block{
		"config_path": fmt.Sprintf("%q", a.cluster.KubeconfigPath), "fleet": fmt.Sprintf("%q", a.fleet), "dns_servers": fmt.Sprintf("[%q]", a.cluster.DNS),
	}, body)
}

// providerConfig is a configuration with a provider of these attributes. Its source has no host: each CLI takes that of its
// own registry, which TF_ACC_PROVIDER_HOST names.
func providerConfig(settings block, body string) string {
	return `terraform {
  required_providers {
    storeplatform = { source = "storeplatform/storeplatform" }
  }
}
provider "storeplatform" ` + settings.object() + "\n" + body
}

// block is attributes of a resource or a nested object, by name, as HCL expressions.
type block map[string]string

func (b block) with(name, expression string) block {
	out := maps.Clone(b)
	if expression == "" {
		delete(out, name)
	} else {
		out[name] = expression
	}
	return out
}

func (b block) object() string {
	var out strings.Builder
	out.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(b)) {
		fmt.Fprintf(&out, "  %s = %s\n", name, b[name])
	}
	out.WriteString("}")
	return out.String()
}

func (b block) resource(typeName string) string {
	return fmt.Sprintf("resource %q \"test\" %s\n", typeName, b.object())
}

// store is the smallest store that tests may delete.
func (a acceptance) store(engine string, settings block) block {
	return block{"name": fmt.Sprintf("%q", a.name), "owner": `"team"`, "deletion_protection": "false", "data_retention": `"delete"`, engine: settings.object()}
}

func wooCommerceBlock() block {
	return block{"title": `"Acme"`, "admin_email": `"admin@acme.example"`}
}

func medusaBlock() block {
	return block{"image": `"registry.acme.example/shop:1.4.2"`, "admin_email": `"admin@acme.example"`}
}

// emptyAfter is what every step ends with.
var emptyAfter = resource.ConfigPlanChecks{
	PostApplyPreRefresh:  []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
	PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
}

// updateOf is a step that must change a resource in place.
func updateOf(address, config string) resource.TestStep {
	checks := emptyAfter
	checks.PreApply = []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate)}
	return resource.TestStep{Config: config, ConfigPlanChecks: checks}
}

// importOf is a step that imports a resource by id, and finds every attribute of state equal.
func importOf(address string) resource.TestStep {
	return resource.TestStep{ResourceName: address, ImportState: true, ImportStateVerify: true}
}

// importBlockOf is a step that imports a resource with an import block, and finds nothing to change.
func importBlockOf(address, config string) resource.TestStep {
	return resource.TestStep{Config: config, ResourceName: address, ImportState: true, ImportStateKind: resource.ImportBlockWithID}
}

// refused is a step whose plan fails with all the parts in its message, in that order.
func refused(config string, parts ...string) resource.TestStep {
	return resource.TestStep{Config: config, PlanOnly: true, ExpectError: messageOf(parts...)}
}

// messageOf matches all the parts, in that order, however the CLI wraps them.
func messageOf(parts ...string) *regexp.Regexp {
	var patterns []string
	for _, part := range parts {
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(part), " ", `[\s│|]+`))
	}
	return regexp.MustCompile(`(?s)` + strings.Join(patterns, ".*"))
}
