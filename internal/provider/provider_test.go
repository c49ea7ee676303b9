package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// canary must appear in no message.
const canary = "c4n4ry-s3cret"

const kubeconfigText = `apiVersion: v1
kind: Config
current-context: blue
clusters:
- name: one
  cluster: {server: "https://192.0.2.1:6443"}
- name: bare
  cluster: {}
users:
- name: admin
  user: {token: ` + canary + `}
contexts:
- name: blue
  context: {cluster: one, user: admin}
- name: green
  context: {cluster: gone, user: admin}
- name: empty
  context: {cluster: bare, user: admin}
`

func TestProviderConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	file := write("config", kubeconfigText)
	second := write("second", strings.ReplaceAll(kubeconfigText, "blue", "red"))
	broken := write("broken", "clusters: ["+canary)
	noContext := strings.Replace(kubeconfigText, "current-context: blue\n", "", 1)
	const missing = "/nonexistent/kubeconfig"

	for name, test := range map[string]struct {
		reason string
		config fields
		env    map[string]string
		want   []string // parts of the message; none = it must be accepted
	}{
		// Every way to reach a cluster.
		"kubeconfig":           {reason: "the output of a module that makes a cluster", config: fields{"kubeconfig": kubeconfigText}},
		"kubeconfig and user":  {reason: "another user of the same file", config: fields{"kubeconfig": noContext, "config_context_cluster": "one", "config_context_auth_info": "admin"}},
		"config_path":          {reason: "a file on a developer's machine", config: fields{"config_path": file}},
		"config_context":       {reason: "one file, several clusters", config: fields{"config_path": second, "config_context": "red"}},
		"config_paths":         {reason: "files are merged", config: fields{"config_paths": []any{file, second}, "config_context": "red"}},
		"host and token":       {reason: "credentials of a service account", config: fields{"host": "https://192.0.2.1:6443", "token": canary}},
		"host without scheme":  {reason: "kubectl accepts it too", config: fields{"host": "192.0.2.1:6443", "token": canary}},
		"exec":                 {reason: "cloud clusters hand out credentials by command", config: fields{"host": "https://192.0.2.1", "exec": fields{"api_version": "client.authentication.k8s.io/v1", "command": "aws", "args": []any{"eks"}, "env": fields{"A": "b"}}}},
		"proxy":                {reason: "clusters behind a bastion", config: fields{"kubeconfig": kubeconfigText, "proxy_url": "socks5://127.0.0.1:1080", "tls_server_name": "kubernetes", "insecure": true}},
		"all defaults":         {reason: "what stores inherit", config: fields{"config_path": file, "fleet": "production", "owner": "team", "base_domain": "shops.example.com", "ingress_class": "traefik", "qps": 10, "burst": 20, "dns_servers": []any{"192.0.2.53", "[2001:db8::1]:5353"}, "timeouts": fields{"create": "15m", "delete": "90s"}}},
		"env kubeconfig":       {reason: "Terraform Cloud has no files", env: map[string]string{"STOREPLATFORM_KUBECONFIG": kubeconfigText}},
		"env config path":      {reason: "as the hashicorp/kubernetes provider", env: map[string]string{"KUBE_CONFIG_PATH": file, "KUBE_CTX": "blue"}},
		"env config paths":     {reason: "as the hashicorp/kubernetes provider", env: map[string]string{"KUBE_CONFIG_PATHS": file + ":" + second, "KUBE_CTX": "red"}},
		"env host":             {reason: "as the hashicorp/kubernetes provider", env: map[string]string{"KUBE_HOST": "https://192.0.2.1", "KUBE_TOKEN": canary, "KUBE_INSECURE": "true"}},
		"env details of host":  {reason: "the token comes from CI, the host from the configuration", config: fields{"host": "https://192.0.2.1"}, env: map[string]string{"KUBE_TOKEN": canary}},
		"attribute beats env":  {reason: "a stray variable must not send an apply to another cluster", config: fields{"kubeconfig": kubeconfigText}, env: map[string]string{"KUBE_HOST": "https://192.0.2.99", "KUBE_CONFIG_PATH": missing}},
		"env dns":              {reason: "tests", config: fields{"kubeconfig": kubeconfigText}, env: map[string]string{"STOREPLATFORM_DNS_SERVERS": "127.0.0.1:5353, 192.0.2.53"}},
		"unknown kubeconfig":   {reason: "the cluster is made in the same apply", config: fields{"kubeconfig": unknown{}}},
		"unknown host":         {reason: "the cluster is made in the same apply", config: fields{"host": unknown{}, "token": unknown{}, "cluster_ca_certificate": unknown{}}},
		"unknown exec":         {reason: "the cluster's name is known only after apply", config: fields{"host": "https://192.0.2.1", "exec": fields{"api_version": "client.authentication.k8s.io/v1", "command": "aws", "args": []any{unknown{}}}}},
		"unknown base domain":  {reason: "nip.io of an address that is not known yet", config: fields{"kubeconfig": kubeconfigText, "base_domain": unknown{}, "owner": unknown{}}},
		"unknown in a timeout": {reason: "only the default applies then", config: fields{"kubeconfig": kubeconfigText, "timeouts": fields{"create": unknown{}}}},

		// No way, and two.
		"nothing":              {reason: "never localhost", want: []string{"No Cluster Configured", "kubeconfig", "config_path", "host", "in_cluster", "KUBE_CONFIG_PATH"}},
		"two ways":             {reason: "which one counts?", config: fields{"kubeconfig": kubeconfigText, "config_path": file}, want: []string{"Conflicting", "kubeconfig", "config_path"}},
		"unknown and known":    {reason: "both will be there at apply", config: fields{"kubeconfig": unknown{}, "host": "https://192.0.2.1"}, want: []string{"Conflicting", "kubeconfig", "host"}},
		"two variables":        {reason: "which one counts?", env: map[string]string{"KUBE_HOST": "https://192.0.2.1", "STOREPLATFORM_KUBECONFIG": kubeconfigText}, want: []string{"KUBE_HOST", "STOREPLATFORM_KUBECONFIG"}},
		"token of kubeconfig":  {reason: "it would be ignored", config: fields{"config_path": file, "token": canary}, want: []string{"token", "config_path", "host"}},
		"context of host":      {reason: "it would be ignored", config: fields{"host": "https://192.0.2.1", "config_context": "blue"}, want: []string{"config_context", "host"}},
		"token and exec":       {reason: "which one counts?", config: fields{"host": "https://192.0.2.1", "token": canary, "exec": fields{"api_version": "client.authentication.k8s.io/v1", "command": "aws"}}, want: []string{"token", "exec"}},
		"insecure and CA":      {reason: "the certificate is either checked or not", config: fields{"host": "https://192.0.2.1", "insecure": true, "cluster_ca_certificate": "x"}, want: []string{"insecure", "cluster_ca_certificate"}},
		"insecure env and CA":  {reason: "the certificate is either checked or not", config: fields{"host": "https://192.0.2.1", "cluster_ca_certificate": "x"}, env: map[string]string{"KUBE_INSECURE": "1"}, want: []string{"insecure", "cluster_ca_certificate"}},
		"certificate, no key":  {reason: "one is no use without the other", config: fields{"host": "https://192.0.2.1", "client_certificate": "x"}, want: []string{"client_key", "client_certificate"}},
		"in_cluster elsewhere": {reason: "this test runs in no pod", config: fields{"in_cluster": true}, want: []string{"in_cluster", "pod"}},

		// Kubeconfigs that cannot be used.
		"empty kubeconfig":    {reason: "an empty output must not mean localhost", config: fields{"kubeconfig": ""}, want: []string{"kubeconfig", "empty"}},
		"broken kubeconfig":   {reason: "its content is never shown", config: fields{"kubeconfig": "users: [" + canary}, want: []string{"kubeconfig", "does not parse", "not shown"}},
		"prose":               {reason: "valid YAML, no kubeconfig", config: fields{"kubeconfig": "a: " + canary + "\nb: c\n"}, want: []string{"does not parse"}},
		"base64":              {reason: "cloud outputs are often encoded", config: fields{"kubeconfig": "YXBpVmVyc2lvbjogdjEKY2x1c3RlcnM6IFt7bmFtZTogYSwgY2x1c3Rlcjoge3NlcnZlcjogImh0dHBzOi8vMTkyLjAuMi4xIn19XQo="}, want: []string{"base64decode"}},
		"path as kubeconfig":  {reason: "an easy mistake", config: fields{"kubeconfig": "~/.kube/config"}, want: []string{"config_path"}},
		"broken variable":     {reason: "the variable is named", env: map[string]string{"STOREPLATFORM_KUBECONFIG": "[" + canary}, want: []string{"STOREPLATFORM_KUBECONFIG", "does not parse"}},
		"missing file":        {reason: "which path", config: fields{"config_path": missing}, want: []string{"config_path", missing, "no such file"}},
		"missing file of env": {reason: "which variable", env: map[string]string{"KUBE_CONFIG_PATH": missing}, want: []string{"KUBE_CONFIG_PATH", missing}},
		"one missing of two":  {reason: "clientcmd would skip it silently", config: fields{"config_paths": []any{file, missing}}, want: []string{"config_paths", missing}},
		"broken file":         {reason: "which path, without its content", config: fields{"config_path": broken}, want: []string{broken, "does not parse"}},
		"directory":           {reason: "which path", config: fields{"config_path": dir}, want: []string{dir, "directory"}},
		"missing context":     {reason: "which contexts exist", config: fields{"config_path": file, "config_context": "purple"}, want: []string{"config_context", "purple", "blue, empty, green"}},
		"no context":          {reason: "which contexts exist", config: fields{"kubeconfig": noContext}, want: []string{"config_context", "blue, empty, green"}},
		"missing cluster":     {reason: "which clusters exist", config: fields{"config_path": file, "config_context": "green"}, want: []string{`"gone"`, "bare, one"}},
		"missing user":        {reason: "which users exist", config: fields{"config_path": file, "config_context_auth_info": "nobody"}, want: []string{"config_context_auth_info", `"nobody"`, "admin"}},
		"no server":           {reason: "clientcmd would take localhost", config: fields{"config_path": file, "config_context": "empty"}, want: []string{`"bare"`, "server"}},

		// Values.
		"host no URL":      {reason: "which value", config: fields{"host": "ftp://x"}, want: []string{"host", "ftp://x", "https://"}},
		"bad CA":           {reason: "not PEM", config: fields{"host": "https://192.0.2.1", "cluster_ca_certificate": "abc"}, want: []string{"cluster_ca_certificate", "PEM"}},
		"bad proxy":        {reason: "which value", config: fields{"kubeconfig": kubeconfigText, "proxy_url": "nonsense"}, want: []string{"proxy_url", "socks5"}},
		"bad exec version": {reason: "removed from Kubernetes", config: fields{"host": "https://192.0.2.1", "exec": fields{"api_version": "client.authentication.k8s.io/v1alpha1", "command": "aws"}}, want: []string{"exec.api_version", "v1alpha1", "v1beta1"}},
		"zero qps":         {reason: "would never send", config: fields{"kubeconfig": kubeconfigText, "qps": 0}, want: []string{"qps", `"0"`, "between 1 and 10000"}},
		"bad fleet":        {reason: "it becomes a label", config: fields{"kubeconfig": kubeconfigText, "fleet": "My Fleet"}, want: []string{"fleet", "My Fleet", "DNS label"}},
		"bad owner":        {reason: "it becomes a label", config: fields{"kubeconfig": kubeconfigText, "owner": "a b"}, want: []string{"owner", "a b", "63"}},
		"bad base domain":  {reason: "stores would get an invalid host", config: fields{"kubeconfig": kubeconfigText, "base_domain": "https://x"}, want: []string{"base_domain", "https://x"}},
		"bad timeout":      {reason: "which value", config: fields{"kubeconfig": kubeconfigText, "timeouts": fields{"create": "soon"}}, want: []string{"timeouts.create", "soon", "90s"}},
		"bad connect":      {reason: "a cluster is waited for at least a moment", config: fields{"kubeconfig": kubeconfigText, "timeouts": fields{"connect": "0s"}}, want: []string{"timeouts.connect", "0s"}},
		"negative timeout": {reason: "would fail at once", config: fields{"kubeconfig": kubeconfigText, "timeouts": fields{"delete": "-5m"}}, want: []string{"timeouts.delete", "-5m"}},
		"bad DNS server":   {reason: "a name would need DNS to find DNS", config: fields{"kubeconfig": kubeconfigText, "dns_servers": []any{"ns.example.com"}}, want: []string{"dns_servers", "ns.example.com", "192.0.2.53:53"}},
		"bad DNS env":      {reason: "which value", config: fields{"kubeconfig": kubeconfigText}, env: map[string]string{"STOREPLATFORM_DNS_SERVERS": "x"}, want: []string{"dns_servers", `"x"`}},
		"bad insecure env": {reason: "which variable", config: fields{"kubeconfig": kubeconfigText}, env: map[string]string{"KUBE_INSECURE": "maybe"}, want: []string{"KUBE_INSECURE", "maybe"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newHarness(t, test.env).configure(test.config)
			if len(test.want) == 0 && got != "" {
				t.Errorf("%s: refused:\n%s", test.reason, got)
			}
			if len(test.want) > 0 && !strings.Contains(got, "ERROR") {
				t.Errorf("%s: accepted", test.reason)
			}
			for _, part := range test.want {
				if !strings.Contains(got, part) {
					t.Errorf("%s: the message does not say %q:\n%s", test.reason, part, got)
				}
			}
			if strings.Contains(got, canary) {
				t.Errorf("the message shows a secret:\n%s", got)
			}
		})
	}
}

func TestEveryErrorOfTheConnectionNamesItsAttribute(t *testing.T) {
	t.Parallel()
	got := newHarness(t, nil).configure(fields{"kubeconfig": "[" + canary})
	if !strings.Contains(got, "ERROR kubeconfig:") {
		t.Errorf("the error is not on the attribute:\n%s", got)
	}
}

func TestUnknownConfigurationIsDeferredWhereTheCLICan(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, allowed := range []bool{false, true} {
		resp, err := h.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
			Config:             h.dynamic(value(h.schema.Provider.ValueType(), fields{"kubeconfig": unknown{}})),
			ClientCapabilities: &tfprotov6.ConfigureProviderClientCapabilities{DeferralAllowed: allowed},
		})
		if err != nil || render(resp.Diagnostics) != "" {
			t.Fatalf("configure: %v %s", err, render(resp.Diagnostics))
		}
		config := fields{"name": "acme", "owner": "team", "woocommerce": fields{"title": "Acme", "admin_email": "a@acme.example"}}
		typ := h.resourceType("storeplatform_store")
		planned, err := h.server.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
			TypeName: "storeplatform_store", Config: h.dynamic(value(typ, config)), PriorState: h.dynamic(value(typ, nil)),
			ProposedNewState:   h.dynamic(value(typ, config)),
			ClientCapabilities: &tfprotov6.PlanResourceChangeClientCapabilities{DeferralAllowed: allowed},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := planned.Deferred != nil; got != allowed {
			t.Errorf("deferral allowed %v, deferred %v", allowed, got)
		}
	}
}

func TestProviderVersionIsInTheUserAgentOnly(t *testing.T) {
	t.Parallel()
	p := New("1.2.3")()
	var resp provider.MetadataResponse
	p.Metadata(t.Context(), provider.MetadataRequest{}, &resp)
	if got := fmt.Sprint(resp.TypeName, " ", resp.Version); got != "storeplatform 1.2.3" {
		t.Errorf("metadata: %s", got)
	}
}
