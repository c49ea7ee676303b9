package stores_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const (
	shopNamespace = "store-acme"
	shopHost      = "shop.acme.example"
)

func TestWooCommerce(t *testing.T) {
	client := connect(t)
	plugin := startPluginServer(t, spec.WooCommerceVersion)
	tf := newTerraform(t, "woocommerce", "plugin_source="+plugin.source, "plugin_sha256="+plugin.sha256)
	watched := observe(t, client, shopNamespace)

	t.Logf("terraform apply of a WooCommerce store, with STAND-INS for the plugin and wp-cli, took %.0f s.", tf.apply(t).Seconds())
	shop := newVisitor(t, shopHost)
	must(t, "FrontPage", func(t *testing.T) {
		took := eventually(t, "The ingress controller", func(ctx context.Context) error { return shop.answers(ctx, "/") })
		t.Logf("The ingress controller served the shop %.1f s after the apply.", took.Seconds())
		shop.expect(t, "/", "Acme")
	})
	must(t, "LoginPage", func(t *testing.T) { shop.expect(t, "/wp-login.php", "user_login") })
	t.Run("StoreAPIOfTheStandIn", func(t *testing.T) { shop.expect(t, "/wp-json/wc/store/v1/products?per_page=1", "STAND-IN") })
	t.Run("NothingToExploit", func(t *testing.T) {
		for path, reason := range map[string]string{
			"/xmlrpc.php":                   "it is a target of attacks that no shop needs",
			"/wp-content/uploads/shell.php": "an upload must not run",
		} {
			got, err := shop.get(t.Context(), path)
			if err != nil {
				t.Fatalf("GET %s: %v", path, err)
			}
			if got.status != http.StatusForbidden {
				t.Errorf("GET %s: status %d, want 403: %s", path, got.status, reason)
			}
		}
	})
	t.Run("NothingIsPlanned", tf.planNothing)

	content := &shopContent{shop: shop}
	must(t, "AdministratorLogsIn", func(t *testing.T) { logIn(t, client, shop) })
	t.Run("Browser", func(t *testing.T) { browseShop(t, client) })
	must(t, "AdministratorWrites", content.write)
	must(t, "Data", func(t *testing.T) {
		data := &shopData{
			client: client, namespace: shopNamespace, pausing: []string{"web"}, check: content.check, host: shopHost,
			destroy: `ask "DROP TABLE wordpress.wp_posts; CREATE TABLE wordpress.new (id int);"`,
			spoil:   `ask "CREATE TABLE wordpress.new (id int); CREATE VIEW wordpress.empty AS SELECT id FROM wordpress.new; DROP TABLE wordpress.new;"`,
			mend:    `ask "DROP VIEW wordpress.empty;"`,
		}
		data.survives(t)
	})
	t.Run("ShopSurvives", func(t *testing.T) { shopSurvives(t, client, content) })
	t.Run("CronRuns", func(t *testing.T) { runCron(t, client) })
	t.Run("Confinement", func(t *testing.T) {
		watched.expect(t, map[string]int{"web/core": 33, "web/web": 33, "job/core": 33, "job/install": 33, "job/cron": 33, "job/data": 33, "database/database": 999})
	})
	t.Run("Destroy", func(t *testing.T) { t.Logf("terraform destroy took %.0f s.", tf.destroy(t).Seconds()) })
}

// administrator returns what the administrator of a store logs in with: the keys username, email and password.
func administrator(t *testing.T, client kubernetes.Interface, namespace string) map[string]string {
	t.Helper()
	secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), "admin", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the administrator's Secret: %v", err)
	}
	out := map[string]string{}
	for key, value := range secret.Data {
		out[key] = string(value)
	}
	return out
}

// browseShop opens the front page and the administration in a browser.
func browseShop(t *testing.T, client kubernetes.Interface) {
	b := startBrowser(t)
	b.open(t, "https://"+shopHost+"/")
	b.find(t, "body.home")
	b.picture(t, "woocommerce-front")
	admin := administrator(t, client, shopNamespace)
	b.open(t, "https://"+shopHost+"/wp-login.php")
	b.fill(t, "#user_login", admin["username"])
	b.fill(t, "#user_pass", admin["password"])
	b.click(t, "#wp-submit")
	b.find(t, "#wpadminbar")
	b.picture(t, "woocommerce-admin")
}

// logIn opens the administration of the shop as its administrator.
func logIn(t *testing.T, client kubernetes.Interface, shop *visitor) {
	admin := administrator(t, client, shopNamespace)
	form := url.Values{"log": {admin["username"]}, "pwd": {admin["password"]}, "redirect_to": {"https://" + shopHost + "/wp-admin/"}}
	shop.expect(t, "/wp-login.php", "user_login") // sets the cookie that WordPress tests for
	got, err := shop.post(t.Context(), "/wp-login.php", form)
	if err != nil {
		t.Fatalf("Log in: %v", err)
	}
	if got.status != http.StatusOK || !strings.HasPrefix(got.url, "https://"+shopHost+"/wp-admin") || !strings.Contains(got.body, "wpadminbar") {
		t.Fatalf("After the login: status %d at %s:\n%s", got.status, got.url, beginning(got.body))
	}
}

// runCron runs the shop's CronJob now and waits until it is done.
func runCron(t *testing.T, client kubernetes.Interface) {
	cron, err := client.BatchV1().CronJobs(shopNamespace).Get(t.Context(), "cron", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the CronJob: %v", err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "cron-now", Labels: cron.Spec.JobTemplate.Labels},
		Spec:       cron.Spec.JobTemplate.Spec,
	}
	if _, err := client.BatchV1().Jobs(shopNamespace).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatalf("Run the CronJob: %v", err)
	}
	took := eventually(t, "The CronJob", func(ctx context.Context) error {
		now, err := client.BatchV1().Jobs(shopNamespace).Get(ctx, job.Name, metav1.GetOptions{})
		if err == nil && now.Status.Succeeded == 0 {
			return fmt.Errorf("job %s has not succeeded: %+v", job.Name, now.Status)
		}
		return err
	})
	t.Logf("The shop's events, by the STAND-IN for wp-cli, took %.1f s.", took.Seconds())
}

// shopContent is what an administrator has written: a post in the database and a file in the volume.
type shopContent struct {
	shop *visitor
	post string // path
	file string // path
}

const postTitle = "Written before the fault"

// uploaded is a picture of one point.
var uploaded = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

// write uses WordPress' own API, as its editor does.
func (c *shopContent) write(t *testing.T) {
	nonce, err := c.shop.get(t.Context(), "/wp-admin/admin-ajax.php?action=rest-nonce")
	if err != nil || nonce.status != http.StatusOK {
		t.Fatalf("Ask for a nonce: status %d, %v", nonce.status, err)
	}
	headers := map[string]string{"X-WP-Nonce": nonce.body}
	var post struct {
		Link string `json:"link"`
	}
	c.shop.send(t, "/wp-json/wp/v2/posts", headers, map[string]string{"title": postTitle, "status": "publish"}, &post)
	c.post = strings.TrimPrefix(post.Link, "https://"+shopHost)

	headers["Content-Type"], headers["Content-Disposition"] = "image/gif", `attachment; filename="point.gif"`
	got, err := c.shop.do(t.Context(), http.MethodPost, "/wp-json/wp/v2/media", bytes.NewReader(uploaded), headers)
	if err != nil || got.status != http.StatusCreated {
		t.Fatalf("Upload a file: status %d, %v:\n%s", got.status, err, beginning(got.body))
	}
	_, rest, found := strings.Cut(strings.ReplaceAll(got.body, `\/`, "/"), `"source_url":"https://`+shopHost)
	if !found {
		t.Fatalf("The upload has no address:\n%s", beginning(got.body))
	}
	c.file, _, _ = strings.Cut(rest, `"`)
}

// check says what is missing: the post, the file, or the session of the administrator.
func (c *shopContent) check(ctx context.Context) error {
	post, err := c.shop.get(ctx, c.post)
	if err != nil {
		return err
	}
	if post.status != http.StatusOK || !strings.Contains(post.body, postTitle) {
		return fmt.Errorf("post %s: status %d", c.post, post.status)
	}
	file, err := c.shop.get(ctx, c.file)
	if err != nil {
		return err
	}
	if file.status != http.StatusOK || file.body != string(uploaded) {
		return fmt.Errorf("file %s: status %d with %d bytes", c.file, file.status, len(file.body))
	}
	admin, err := c.shop.get(ctx, "/wp-admin/")
	if err != nil {
		return err
	}
	if admin.status != http.StatusOK || !strings.Contains(admin.body, "wpadminbar") {
		return fmt.Errorf("the administrator is logged out: status %d at %s", admin.status, admin.url)
	}
	return nil
}

// shopSurvives breaks one part after the other and waits until the shop is back by itself, with everything.
func shopSurvives(t *testing.T, client kubernetes.Interface, content *shopContent) {
	back := func(t *testing.T, what string) {
		t.Helper()
		took := eventually(t, "The shop after "+what, content.check)
		t.Logf("The shop was back %.1f s after %s.", took.Seconds(), what)
	}
	t.Run("Untouched", func(t *testing.T) { back(t, "nothing") })
	t.Run("DatabaseKilled", func(t *testing.T) {
		killProcesses(t, client, shopNamespace, "database")
		back(t, "its database was killed")
	})
	t.Run("DatabasePodDeleted", func(t *testing.T) {
		deletePod(t, client, shopNamespace, "database")
		back(t, "its database's pod was deleted")
	})
	t.Run("DatabaseDown", func(t *testing.T) {
		before := restartsOf(t, client, shopNamespace, "web")
		scaleDatabase(t, client, shopNamespace, 0)
		waitWithoutDatabase(t, client, shopNamespace, "web")
		if got := restartsOf(t, client, shopNamespace, "web"); got != before {
			t.Errorf("PHP was restarted %d times because of the database", got-before)
		}
		scaleDatabase(t, client, shopNamespace, 1)
		back(t, "its database was started again")
	})
	t.Run("WebKilled", func(t *testing.T) {
		killProcesses(t, client, shopNamespace, "web")
		back(t, "Apache was killed")
	})
	t.Run("WebPodDeleted", func(t *testing.T) {
		deletePod(t, client, shopNamespace, "web")
		back(t, "the web pod was deleted")
	})
	t.Run("KubeletKilled", func(t *testing.T) {
		killKubelet(t)
		if err := content.check(t.Context()); err != nil {
			t.Errorf("Without a kubelet: %v", err)
		}
		killProcesses(t, client, shopNamespace, "web")
		back(t, "the kubelet, and with it Apache, were killed")
	})
	for _, component := range []string{"web", "database"} {
		eventually(t, "Pod of "+component, func(ctx context.Context) error { return podIsReady(ctx, client, shopNamespace, component) })
	}
}

// deletePod deletes the pod of a component and returns when another one is there.
func deletePod(t *testing.T, client kubernetes.Interface, namespace, component string) {
	t.Helper()
	pod, err := podOf(t.Context(), client, namespace, component)
	if err != nil {
		t.Fatalf("Find the pod to delete: %v", err)
	}
	if err := client.CoreV1().Pods(namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("Delete pod %s: %v", pod.Name, err)
	}
	eventually(t, "Another pod of "+component, func(ctx context.Context) error {
		next, err := podOf(ctx, client, namespace, component)
		if err == nil && next.UID == pod.UID {
			return fmt.Errorf("pod %s is still there", pod.Name)
		}
		return err
	})
}
