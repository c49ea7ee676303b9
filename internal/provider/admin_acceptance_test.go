package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// admin reads the login of the store that the same apply makes.
const admin = `ephemeral "storeplatform_store_admin" "test" {
  store       = storeplatform_store.test.name
  cluster_uid = storeplatform_store.test.cluster_uid
}
`

// TestAccAdminOfANewStore makes a store and reads its login in one apply. The echo provider writes into state what it gets.
func TestAccAdminOfANewStore(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	host := a.name + ".acme.example"
	shop := wooCommerceBlock().with("admin_user", `"boss"`).with("admin_password_wo", `"chosen-by-the-user"`)
	store := a.store("woocommerce", shop).with("host", fmt.Sprintf("%q", host)).resource("storeplatform_store")
	providers := factories()
	providers["echo"] = echoprovider.NewProviderServer()
	config := fmt.Sprintf(`terraform {
  required_providers {
    storeplatform = { source = "storeplatform/storeplatform" }
    echo          = { source = "storeplatform/echo" }
  }
}
provider "storeplatform" {
  config_path = %q
  fleet       = %q
}
provider "echo" {
  data = ephemeral.storeplatform_store_admin.test
}
resource "echo" "test" {}
`, a.cluster.KubeconfigPath, a.fleet) + store + admin
	data := tfjsonpath.New("data")
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: providers,
		CheckDestroy:             a.nothingLeft,
		Steps: []resource.TestStep{{
			Config: config, ConfigPlanChecks: emptyAfter,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("echo.test", data.AtMapKey("user"), knownvalue.StringExact("boss")),
				statecheck.ExpectKnownValue("echo.test", data.AtMapKey("password"), knownvalue.StringExact("chosen-by-the-user")),
				statecheck.ExpectKnownValue("echo.test", data.AtMapKey("url"), knownvalue.StringExact("https://"+host+"/wp-admin/")),
			},
		}, {Config: config, ConfigPlanChecks: emptyAfter}},
	})
}

// TestAccAdminRefuses shows what a user reads who forgot that the store is not there yet.
func TestAccAdminRefuses(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	a.run(t, refused(a.config(fmt.Sprintf("ephemeral \"storeplatform_store_admin\" \"test\" {\n  store = %q\n}\n", a.name)), "Store Not Found", a.name, "cluster_uid"))
}

// TestAccAdminAppearsNowhere gives a generated password to a program that a CLI runs, and looks for it everywhere else.
func TestAccAdminAppearsNowhere(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	c := newCommandLine(t, a.config(a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store")+admin+`
resource "terraform_data" "user" {
  provisioner "local-exec" {
    command     = "test $${#PASSWORD} -ge 30 && touch used"
    environment = { PASSWORD = ephemeral.storeplatform_store_admin.test.password }
  }
}
`))
	c.run(nil, "plan", "-no-color", "-out=plan")
	c.run(nil, "show", "-json", "plan")
	c.run(nil, "apply", "-no-color", "plan")
	c.run(nil, "plan", "-no-color", "-detailed-exitcode", "-out=plan")
	c.run(nil, "state", "pull")
	if _, err := os.Stat(filepath.Join(c.dir, "used")); err != nil {
		t.Fatalf("nobody used the password, so looking for it would prove nothing: %v", err)
	}
	secret, err := a.cluster.Client().CoreV1().Secrets("store-"+a.name).Get(t.Context(), "admin", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.collect()
	c.run(nil, "destroy", "-no-color", "-auto-approve")
	c.expectNone(map[string]string{"the generated password": string(secret.Data["password"])})
}
