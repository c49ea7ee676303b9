package provider

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// commandLine runs a real CLI with the real program in a directory of its own, with logs at TRACE.
type commandLine struct {
	t    *testing.T
	dir  string
	seen map[string]string // everything that it left, by where
}

func newCommandLine(t *testing.T, config string) commandLine {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "terraform-provider-storeplatform"), "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for name, content := range map[string]string{
		"main.tf": config,
		"rc": fmt.Sprintf("provider_installation {\n  dev_overrides {\n    %q = %q\n    %q = %q\n  }\n  direct {}\n}\n",
			"registry.terraform.io/storeplatform/storeplatform", dir, "registry.opentofu.org/storeplatform/storeplatform", dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return commandLine{t: t, dir: dir, seen: map[string]string{}}
}

// run runs a command and keeps what it prints.
func (c commandLine) run(env []string, args ...string) {
	c.t.Helper()
	program := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if program == "" {
		program = "terraform"
	}
	command := exec.CommandContext(c.t.Context(), program, args...) //nolint:gosec // the program that acceptance tests run
	command.Dir = c.dir
	command.Env = append(append(os.Environ(), env...), "TF_CLI_CONFIG_FILE="+filepath.Join(c.dir, "rc"), "TF_LOG=TRACE", "TF_LOG_PATH="+filepath.Join(c.dir, "log"))
	out, err := command.CombinedOutput()
	c.seen["output of "+strings.Join(args, " ")] = string(out)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", args, err, out)
	}
}

// collect reads the files that the CLI left, the plan file unpacked.
func (c commandLine) collect() {
	c.t.Helper()
	for _, name := range []string{"log", "terraform.tfstate", "terraform.tfstate.backup"} {
		data, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil && !os.IsNotExist(err) {
			c.t.Fatal(err)
		}
		if name == "log" && !strings.Contains(string(data), "[TRACE]") {
			c.t.Fatal("the log has no TRACE lines: looking through it would prove nothing")
		}
		c.seen["file "+name] = string(data)
	}
	archive, err := zip.OpenReader(filepath.Join(c.dir, "plan"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { must(archive.Close()) }()
	for _, file := range archive.File {
		if strings.HasPrefix(file.Name, "tfconfig") {
			continue
		}
		reader, err := file.Open()
		if err != nil {
			c.t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			c.t.Fatal(err)
		}
		c.seen["plan file "+file.Name] = string(data)
	}
}

func TestAccSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	ca := base64.StdEncoding.EncodeToString(a.cluster.RESTConfig.CAData)
	secrets := `variable "admin" { ephemeral = true }
variable "mail" { ephemeral = true }
variable "kubeconfig" { ephemeral = true }
`
	shop := wooCommerceBlock().with("admin_password_wo", "var.admin").
		with("smtp", `{ host = "mail.acme.example", from = "shop@acme.example", user = "shop", password_wo = var.mail }`)
	store := a.store("woocommerce", shop)
	config := func(store block) string {
		return secrets + providerConfig(block{"kubeconfig": "var.kubeconfig", "fleet": fmt.Sprintf("%q", a.fleet)}, store.resource("storeplatform_store"))
	}
	c := newCommandLine(t, config(store))
	env := []string{"TF_VAR_admin=" + canary + "-admin-1", "TF_VAR_mail=" + canary + "-mail-1", "TF_VAR_kubeconfig=" + string(a.cluster.Kubeconfig)}
	c.run(env, "plan", "-no-color", "-out=plan")
	c.run(env, "show", "-json", "plan")
	c.run(env, "apply", "-no-color", "plan")
	c.run(env, "state", "pull")

	// Without a new version an update for another reason sends the value that the configuration has.
	if err := os.WriteFile(filepath.Join(c.dir, "main.tf"), []byte(config(store.with("owner", `"other"`))), 0o600); err != nil {
		t.Fatal(err)
	}
	env[0] = "TF_VAR_admin=" + canary + "-admin-2"
	c.run(env, "apply", "-no-color", "-auto-approve")
	a.expectSecret(t, "admin", canary+"-admin-2")

	// A new version alone sends it, too.
	version := shop.with("admin_password_wo_version", "2")
	if err := os.WriteFile(filepath.Join(c.dir, "main.tf"), []byte(config(store.with("owner", `"other"`).with("woocommerce", version.object()))), 0o600); err != nil {
		t.Fatal(err)
	}
	env[0] = "TF_VAR_admin=" + canary + "-admin-3"
	c.run(env, "apply", "-no-color", "-auto-approve")
	a.expectSecret(t, "admin", canary+"-admin-3")

	c.collect()
	a.collectFromCluster(t, c.seen)
	c.run(env, "destroy", "-no-color", "-auto-approve")
	key := base64.StdEncoding.EncodeToString(a.cluster.RESTConfig.KeyData)
	c.expectNone(map[string]string{"the kubeconfig": ca[len(ca)/2:], "the client key": key})
}

// Every other way to log in to a cluster, and every other engine's secrets.
func TestAccSecretsOfEveryInputAppearNowhere(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	rest := a.cluster.RESTConfig
	token := a.cluster.User(t, "canary", []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}).BearerToken
	server := block{"host": fmt.Sprintf("%q", rest.Host), "cluster_ca_certificate": "var.ca", "fleet": fmt.Sprintf("%q", a.fleet)}
	env := []string{"TF_VAR_ca=" + string(rest.CAData), "TF_VAR_certificate=" + string(rest.CertData), "TF_VAR_key=" + string(rest.KeyData), "TF_VAR_token=" + token, "TF_VAR_secret=" + canary}
	variables := ""
	for _, name := range []string{"ca", "certificate", "key", "token", "secret"} {
		variables += fmt.Sprintf("variable %q { ephemeral = true }\n", name)
	}
	credential := `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$CANARY_TOKEN"`
	chart := block{"source": fmt.Sprintf("%q", writeChart(t, "1.0.0")), "username": `"user"`, "password_wo": "var.secret"}
	c := newCommandLine(t, "")
	for _, config := range []string{
		providerConfig(server.with("token", "var.token"), a.store("medusa", medusaBlock().with("admin_password_wo", "var.secret")).resource("storeplatform_store")),
		providerConfig(server.with("client_certificate", "var.certificate").with("client_key", "var.key"), a.store("chart", chart).resource("storeplatform_store")),
		providerConfig(server.with("exec", fmt.Sprintf(`{ api_version = "client.authentication.k8s.io/v1", command = "sh", args = ["-c", %s], env = { CANARY_TOKEN = var.token } }`,
			fmt.Sprintf("%q", credential))), a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store")),
	} {
		if err := os.WriteFile(filepath.Join(c.dir, "main.tf"), []byte(variables+config), 0o600); err != nil {
			t.Fatal(err)
		}
		c.run(env, "plan", "-no-color", "-out=plan")
		c.run(env, "show", "-json", "plan")
		c.run(env, "apply", "-no-color", "plan")
		c.collect()
		a.collectFromCluster(t, c.seen)
		c.run(env, "destroy", "-no-color", "-auto-approve")
		c.expectNone(map[string]string{"the token": token[len(token)/2:], "the client key": strings.Split(string(rest.KeyData), "\n")[1]})
	}
}

// expectNone checks that nothing that was seen shows the canary or one of the further secrets, by what they are.
func (c commandLine) expectNone(secrets map[string]string) {
	c.t.Helper()
	secrets["a password"] = canary
	secrets["a password in base64"] = base64.StdEncoding.EncodeToString([]byte(canary))[:12]
	for where, text := range c.seen {
		for what, secret := range secrets {
			if secret == "" {
				c.t.Fatalf("%s is empty: this check could not fail", what)
			}
			if at := strings.Index(text, secret); at >= 0 {
				c.t.Errorf("%s shows %s: …%s…", where, what, text[max(0, at-300):min(len(text), at+80)])
			}
		}
	}
}

// expectSecret checks that some key of a store's Secret has the value.
func (a acceptance) expectSecret(t *testing.T, name, want string) {
	t.Helper()
	secret, err := a.cluster.Client().CoreV1().Secrets("store-"+a.name).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range secret.Data {
		if string(value) == want {
			return
		}
	}
	t.Errorf("Secret %s does not have the value that the configuration gives last", name)
}

// collectFromCluster reads everything of the store that is no place for a secret: Helm's releases, the record, events,
// config maps and pods.
func (a acceptance) collectFromCluster(t *testing.T, seen map[string]string) {
	t.Helper()
	ctx, client, namespace := t.Context(), a.cluster.Client(), "store-"+a.name
	all, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	releases := 0
	for _, secret := range all.Items {
		if string(secret.Type) == "Opaque" && secret.Labels["storeplatform.io/record"] == "" {
			seen["metadata of Secret "+secret.Name] = fmt.Sprint(secret.Labels, secret.Annotations)
			continue
		}
		for key, data := range secret.Data {
			if string(secret.Type) == "helm.sh/release.v1" {
				data = unpackRelease(t, data)
				releases++
			}
			seen["Secret "+secret.Name+" key "+key] = string(data)
		}
	}
	if releases == 0 {
		t.Error("no Helm release was looked at")
	}
	keep := func(what string, list any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		seen[what] = string(data)
	}
	events, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	keep("events", events, err)
	configs, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
	keep("config maps", configs, err)
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	keep("pods", pods, err)
}

func unpackRelease(t *testing.T, data []byte) []byte {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
