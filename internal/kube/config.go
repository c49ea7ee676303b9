package kube

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Access says how to reach a cluster: exactly one of Kubeconfig, Paths, Host and InCluster is set.
type Access struct {
	Kubeconfig string   // content of a kubeconfig
	Paths      []string // kubeconfig files; for a name in several of them the first wins
	Context    string   // context of the kubeconfig, default its current one
	Cluster    string   // cluster of the kubeconfig, default that of the context
	User       string   // user of the kubeconfig, default that of the context

	Host              string // address of the API server
	CACertificate     string // PEM
	ClientCertificate string // PEM
	ClientKey         string // PEM
	Token             string
	Exec              *Exec

	InCluster bool // service account of the pod that we run in

	// These apply whatever the way.
	Insecure      bool
	TLSServerName string
	ProxyURL      string
	QPS           float32
	Burst         int
	UserAgent     string
	OnWarning     func(ctx context.Context, text string) // what the API server warns of
}

// Exec is a command that prints credentials.
type Exec struct {
	APIVersion string
	Command    string
	Args       []string
	Env        map[string]string
}

// AccessError says which setting of an [Access] is wrong. It never shows the content of a kubeconfig or a credential.
type AccessError struct {
	Field   string // name of the field in [Access]
	Problem string // what is wrong, a sentence
	Fix     string // what to do, a sentence
}

// Error implements error.
func (e *AccessError) Error() string { return e.Problem + " " + e.Fix }

// Config makes a client configuration. It reads files where a says so and never dials.
func (a Access) Config() (*rest.Config, error) {
	cfg, err := a.base()
	if err != nil {
		return nil, err
	}
	if a.Insecure {
		cfg.Insecure, cfg.CAData, cfg.CAFile = true, nil, ""
	}
	if a.TLSServerName != "" {
		cfg.ServerName = a.TLSServerName
	}
	if a.ProxyURL != "" {
		proxy, err := url.Parse(a.ProxyURL)
		if err != nil || proxy.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) {
			return nil, &AccessError{"ProxyURL", "It is not the URL of a proxy.", "Give one such as http://proxy.example.com:3128; the schemes are http, https and socks5."}
		}
		cfg.Proxy = http.ProxyURL(proxy)
	}
	cfg.QPS, cfg.Burst, cfg.UserAgent = a.QPS, a.Burst, a.UserAgent
	if a.OnWarning != nil {
		cfg.WarningHandlerWithContext = warningFunc(a.OnWarning)
	}
	if _, err := rest.TLSConfigFor(cfg); err != nil {
		return nil, &AccessError{a.certificateField(), fmt.Sprintf("The certificates cannot be used: %v.", err), "Give PEM blocks; a base64 text must be decoded first."}
	}
	return cfg, nil
}

func (a Access) base() (*rest.Config, error) {
	switch {
	case a.Kubeconfig != "":
		config, err := ParseKubeconfig(a.Kubeconfig)
		if err != nil {
			return nil, err
		}
		return a.fromKubeconfig(config, "Kubeconfig")
	case len(a.Paths) > 0:
		config, err := loadKubeconfigs(a.Paths)
		if err != nil {
			return nil, err
		}
		return a.fromKubeconfig(config, "Paths")
	case a.Host != "":
		return a.fromHost()
	case a.InCluster:
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, &AccessError{"InCluster", fmt.Sprintf("This process does not run in a pod with a service account: %v.", err), "Choose another way to reach the cluster."}
		}
		return cfg, nil
	default:
		return nil, &AccessError{"", "No way to reach a cluster is given.", "Give one."}
	}
}

func (a Access) certificateField() string {
	switch {
	case a.Kubeconfig != "":
		return "Kubeconfig"
	case len(a.Paths) > 0:
		return "Paths"
	case a.CACertificate != "" && a.ClientCertificate == "":
		return "CACertificate"
	case a.Host != "":
		return "ClientCertificate"
	default:
		return "InCluster"
	}
}

// ParseKubeconfig parses the content of a kubeconfig. Its error tells what the content looks like, never what it is.
func ParseKubeconfig(content string) (*clientcmdapi.Config, error) {
	const problem = "Its content does not parse as a kubeconfig (it is not shown, because it may hold credentials)."
	config, err := clientcmd.Load([]byte(content))
	if err == nil && len(config.Clusters)+len(config.Contexts)+len(config.AuthInfos) > 0 {
		return config, nil
	}
	fix := `Give the whole text of a kubeconfig: YAML that starts with "apiVersion: v1" and has clusters, contexts and users.`
	trimmed := strings.TrimSpace(content)
	decoded, err := base64.StdEncoding.DecodeString(trimmed)
	switch {
	case err == nil && looksLikeKubeconfig(decoded):
		fix = "It looks base64-encoded: wrap it in base64decode(...)."
	case !strings.ContainsAny(trimmed, "\n{[ "):
		fix = "It looks like a path: use config_path for a file, or file(...) for its content."
	}
	return nil, &AccessError{"Kubeconfig", problem, fix}
}

func looksLikeKubeconfig(content []byte) bool {
	config, err := clientcmd.Load(content)
	return err == nil && len(config.Clusters) > 0
}

func loadKubeconfigs(paths []string) (*clientcmdapi.Config, error) {
	expanded := make([]string, len(paths))
	for i, path := range paths {
		expanded[i] = expandHome(path)
		content, err := os.ReadFile(expanded[i])
		if err != nil {
			return nil, &AccessError{"Paths", fmt.Sprintf("The kubeconfig %q cannot be read: %v.", path, err), "Check the path, and that this user may read the file."}
		}
		if _, err := clientcmd.Load(content); err != nil {
			return nil, &AccessError{"Paths", fmt.Sprintf("The file %q does not parse as a kubeconfig (its content is not shown, because it may hold credentials).", path),
				`Give a file that starts with "apiVersion: v1" and has clusters, contexts and users.`}
		}
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: expanded}
	config, err := rules.Load()
	if err != nil {
		return nil, &AccessError{"Paths", fmt.Sprintf("The kubeconfig files %s cannot be merged.", strings.Join(paths, ", ")), "Try them one by one with config_path."}
	}
	return config, nil
}

func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

func (a Access) fromKubeconfig(config *clientcmdapi.Config, field string) (*rest.Config, error) {
	context := a.Context
	if context == "" {
		context = config.CurrentContext
	}
	entry, found := config.Contexts[context]
	switch {
	case context == "" && (a.Cluster == "" || a.User == ""):
		return nil, &AccessError{field, "The kubeconfig has no current context and none is chosen. " + known("contexts", config.Contexts), "Set config_context."}
	case context != "" && !found:
		return nil, &AccessError{orField(a.Context, "Context", field), fmt.Sprintf("The kubeconfig has no context %q. %s", context, known("contexts", config.Contexts)), "Choose one of them."}
	case !found:
		entry = clientcmdapi.NewContext()
	}
	cluster, user := orField(a.Cluster, a.Cluster, entry.Cluster), orField(a.User, a.User, entry.AuthInfo)
	if _, ok := config.Clusters[cluster]; !ok {
		return nil, &AccessError{orField(a.Cluster, "Cluster", field), fmt.Sprintf("The kubeconfig has no cluster %q. %s", cluster, known("clusters", config.Clusters)), "Choose one of them."}
	}
	if _, ok := config.AuthInfos[user]; !ok && user != "" {
		return nil, &AccessError{orField(a.User, "User", field), fmt.Sprintf("The kubeconfig has no user %q. %s", user, known("users", config.AuthInfos)), "Choose one of them."}
	}
	if config.Clusters[cluster].Server == "" {
		return nil, &AccessError{field, fmt.Sprintf("Cluster %q of the kubeconfig has no server address.", cluster), "Set its server."}
	}
	if info, ok := config.AuthInfos[user]; ok && info.Exec != nil {
		info.Exec.InteractiveMode = clientcmdapi.NeverExecInteractiveMode
	}
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Cluster: cluster, AuthInfo: user}}
	cfg, err := clientcmd.NewNonInteractiveClientConfig(*config, context, overrides, nil).ClientConfig()
	if err != nil {
		return nil, &AccessError{field, fmt.Sprintf("Context %q of the kubeconfig cannot be used: %v.", context, err), "Repair the kubeconfig."}
	}
	return cfg, nil
}

// orField returns then when value is set, otherwise.
func orField(value, then, otherwise string) string {
	if value != "" {
		return then
	}
	return otherwise
}

func known[T any](what string, entries map[string]T) string {
	if len(entries) == 0 {
		return fmt.Sprintf("It has no %s.", what)
	}
	return fmt.Sprintf("Its %s are: %s.", what, strings.Join(slices.Sorted(maps.Keys(entries)), ", "))
}

func (a Access) fromHost() (*rest.Config, error) {
	host := a.Host
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	address, err := url.Parse(host)
	if err != nil || address.Host == "" || address.User != nil || address.Scheme != "https" && address.Scheme != "http" {
		return nil, &AccessError{"Host", fmt.Sprintf("%q is not the address of an API server.", a.Host), "Give one such as https://203.0.113.10:6443."}
	}
	if (a.ClientCertificate == "") != (a.ClientKey == "") {
		return nil, &AccessError{orField(a.ClientCertificate, "ClientKey", "ClientCertificate"), "client_certificate and client_key belong together, and one of them is missing.", "Give both or none."}
	}
	cfg := &rest.Config{Host: host, BearerToken: a.Token}
	cfg.CAData, cfg.CertData, cfg.KeyData = []byte(a.CACertificate), []byte(a.ClientCertificate), []byte(a.ClientKey)
	if a.Exec != nil {
		cfg.ExecProvider = &clientcmdapi.ExecConfig{
			APIVersion: a.Exec.APIVersion, Command: a.Exec.Command, Args: a.Exec.Args, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
		for _, name := range slices.Sorted(maps.Keys(a.Exec.Env)) {
			cfg.ExecProvider.Env = append(cfg.ExecProvider.Env, clientcmdapi.ExecEnvVar{Name: name, Value: a.Exec.Env[name]})
		}
	}
	return cfg, nil
}

type warningFunc func(ctx context.Context, text string)

// HandleWarningHeaderWithContext implements [rest.WarningHandlerWithContext].
func (f warningFunc) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	f(ctx, text)
}
