package stores_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

const (
	atelierNamespace = "store-atelier"
	atelierHost      = "medusa.acme.example"
)

func TestMedusa(t *testing.T) {
	client := connect(t)
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("There is no image of Medusa: it is built with Node.js and npm, which this machine lacks.")
	}
	tf := newTerraform(t, "medusa")
	watched := observe(t, client, atelierNamespace)

	t.Logf("terraform apply of a Medusa store took %.0f s.", tf.apply(t).Seconds())
	shop := newVisitor(t, atelierHost)
	must(t, "Ingress", func(t *testing.T) {
		took := eventually(t, "The ingress controller", func(ctx context.Context) error { return shop.answers(ctx, "/health") })
		t.Logf("The ingress controller served the shop %.1f s after the apply.", took.Seconds())
	})
	t.Run("Health", func(t *testing.T) { shop.expect(t, "/health", "OK") })
	t.Run("AdminPages", func(t *testing.T) { shop.expect(t, "/app", "<html") })
	t.Run("NothingIsPlanned", tf.planNothing)
	shirt := &product{shop: shop}
	must(t, "ProductIsCreated", func(t *testing.T) { shirt.create(t, client) })
	must(t, "Data", func(t *testing.T) {
		data := &shopData{
			client: client, namespace: atelierNamespace, pausing: []string{"server", "worker"}, check: shirt.check, host: atelierHost,
			destroy: `ask "DROP TABLE product CASCADE; CREATE SCHEMA new; CREATE TABLE new.new (id int);"`,
		}
		data.survives(t)
	})
	must(t, "BackupAndRestore", func(t *testing.T) { shirt.comesBack(t) })
	t.Run("Browser", func(t *testing.T) { browseAtelier(t, client) })
	t.Run("ShopSurvives", func(t *testing.T) { atelierSurvives(t, client, shirt) })
	t.Run("Confinement", func(t *testing.T) {
		watched.expect(t, map[string]int{
			"job/database": 1000, "job/migrate": 1000, "job/admin": 1000, "job/done": 1000, "job/data": 1000, "server/migrations": 1000, "server/server": 1000,
			"worker/migrations": 1000, "worker/worker": 1000, "database/database": 999, "cache/cache": 999,
		})
	})
	t.Run("Destroy", func(t *testing.T) { t.Logf("terraform destroy took %.0f s.", tf.destroy(t).Seconds()) })
}

// product is what an administrator has created, and a shopper sees.
type product struct {
	shop *visitor
	id   string
	key  string // of the storefront
}

// create logs in as the administrator and creates a product and the key of a storefront, as the admin pages do.
func (p *product) create(t *testing.T, client kubernetes.Interface) {
	admin := administrator(t, client, atelierNamespace)
	var login struct{ Token string }
	credentials := map[string]string{"email": admin["email"], "password": admin["password"]}
	p.shop.send(t, "/auth/user/emailpass", nil, credentials, &login)
	as := map[string]string{"Authorization": "Bearer " + login.Token}
	p.shop.send(t, "/auth/session", as, map[string]string{}, nil)

	var channel struct {
		SalesChannel struct{ ID string } `json:"sales_channel"`
	}
	p.shop.send(t, "/admin/sales-channels", as, map[string]string{"name": "Web"}, &channel)
	var key struct {
		APIKey struct{ ID, Token string } `json:"api_key"`
	}
	p.shop.send(t, "/admin/api-keys", as, map[string]string{"title": "Storefront", "type": "publishable"}, &key)
	p.shop.send(t, "/admin/api-keys/"+key.APIKey.ID+"/sales-channels", as, map[string][]string{"add": {channel.SalesChannel.ID}}, nil)
	var made struct{ Product struct{ ID string } }
	p.shop.send(t, "/admin/products", as, map[string]any{
		"title": "Shirt", "status": "published",
		"options":        []map[string]any{{"title": "Size", "values": []string{"M"}}},
		"sales_channels": []map[string]string{{"id": channel.SalesChannel.ID}},
	}, &made)
	p.id, p.key = made.Product.ID, key.APIKey.Token
	if err := p.check(t.Context()); err != nil {
		t.Fatalf("Read the product back: %v", err)
	}
}

// check says what a shopper, or the administrator's session, does not see.
func (p *product) check(ctx context.Context) error {
	got, err := p.shop.do(ctx, http.MethodGet, "/store/products", nil, map[string]string{"x-publishable-api-key": p.key})
	if err != nil {
		return err
	}
	if got.status != http.StatusOK || !strings.Contains(got.body, p.id) {
		return fmt.Errorf("GET /store/products: status %d, without product %s", got.status, p.id)
	}
	return p.shop.answers(ctx, "/admin/users/me") // by the session's cookie
}

// comesBack deletes the product and restores a backup that was made before, with the library alone.
func (p *product) comesBack(t *testing.T) {
	fleet := connectFleet(t, providerFleet)
	id := backUp(t, fleet, "atelier")
	got, err := p.shop.do(t.Context(), http.MethodDelete, "/admin/products/"+p.id, nil, nil)
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("Delete the product: status %d, error %v:\n%s", got.status, err, beginning(got.body))
	}
	if err := p.check(t.Context()); err == nil {
		t.Fatal("The product is still there")
	}
	begun := time.Now()
	result, err := fleet.Restore(t.Context(), "atelier", id, storekit.Timeout(10*time.Minute))
	if err != nil {
		t.Fatalf("Restore backup %s: %v", id, err)
	}
	t.Logf("The restore took %.0f s. Backups: %+v", time.Since(begun).Seconds(), result.Stores["atelier"].Backups)
	if newest := result.Stores["atelier"].Backups[0]; newest.Reason != "restore" {
		t.Errorf("The newest backup was made for %s, want restore", newest.Reason)
	}
	took := eventually(t, "The product", p.check)
	t.Logf("The product was there %.1f s after the restore.", took.Seconds())
}

// atelierSurvives breaks one part after the other and waits until the shop is back by itself, with everything.
func atelierSurvives(t *testing.T, client kubernetes.Interface, shirt *product) {
	back := func(t *testing.T, what string) {
		t.Helper()
		took := eventually(t, "The shop after "+what, shirt.check)
		t.Logf("The shop was back %.1f s after %s.", took.Seconds(), what)
	}
	t.Run("Untouched", func(t *testing.T) { back(t, "nothing") })
	t.Run("DatabaseKilled", func(t *testing.T) {
		killProcesses(t, client, atelierNamespace, "database")
		back(t, "its database was killed")
	})
	t.Run("CacheKilled", func(t *testing.T) {
		killProcesses(t, client, atelierNamespace, "cache")
		back(t, "its cache was killed")
	})
	t.Run("DatabaseDown", func(t *testing.T) {
		before := restartsOf(t, client, atelierNamespace, "server")
		scaleDatabase(t, client, atelierNamespace, 0)
		waitWithoutDatabase(t, client, atelierNamespace, "server")
		if got := restartsOf(t, client, atelierNamespace, "server"); got != before {
			t.Errorf("Medusa was restarted %d times because of the database", got-before)
		}
		scaleDatabase(t, client, atelierNamespace, 1)
		back(t, "its database was started again")
	})
	t.Run("ServerKilled", func(t *testing.T) {
		killProcesses(t, client, atelierNamespace, "server")
		back(t, "Medusa was killed")
	})
	for _, component := range []string{"server", "worker", "database", "cache"} {
		eventually(t, "Pod of "+component, func(ctx context.Context) error { return podIsReady(ctx, client, atelierNamespace, component) })
	}
}

// browseAtelier logs in to the admin pages in a browser.
func browseAtelier(t *testing.T, client kubernetes.Interface) {
	b := startBrowser(t)
	admin := administrator(t, client, atelierNamespace)
	b.open(t, "https://"+atelierHost+"/app/login")
	b.fill(t, "input[name=email]", admin["email"])
	b.fill(t, "input[name=password]", admin["password"])
	b.picture(t, "medusa-login")
	b.click(t, "button[type=submit]")
	b.find(t, "a[href='/app/orders']")
	b.picture(t, "medusa-admin")
}
