package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// Environment variables that stand in for attributes that are not set: those of the hashicorp/kubernetes provider, and two of
// our own.
var environment = map[string]string{
	"kubeconfig":               "STOREPLATFORM_KUBECONFIG",
	"config_path":              "KUBE_CONFIG_PATH",
	"config_paths":             "KUBE_CONFIG_PATHS",
	"config_context":           "KUBE_CTX",
	"config_context_auth_info": "KUBE_CTX_AUTH_INFO",
	"config_context_cluster":   "KUBE_CTX_CLUSTER",
	"host":                     "KUBE_HOST",
	"token":                    "KUBE_TOKEN",
	"cluster_ca_certificate":   "KUBE_CLUSTER_CA_CERT_DATA",
	"client_certificate":       "KUBE_CLIENT_CERT_DATA",
	"client_key":               "KUBE_CLIENT_KEY_DATA",
	"insecure":                 "KUBE_INSECURE",
	"tls_server_name":          "KUBE_TLS_SERVER_NAME",
	"proxy_url":                "KUBE_PROXY_URL",
	"dns_servers":              "STOREPLATFORM_DNS_SERVERS",
}

// accessAttributes says which attribute sets a field of [kube.Access].
var accessAttributes = map[string]string{
	"Kubeconfig":        "kubeconfig",
	"Context":           "config_context",
	"Cluster":           "config_context_cluster",
	"User":              "config_context_auth_info",
	"Host":              "host",
	"CACertificate":     "cluster_ca_certificate",
	"ClientCertificate": "client_certificate",
	"ClientKey":         "client_key",
	"InCluster":         "in_cluster",
	"ProxyURL":          "proxy_url",
}

const defaultQPS = 50

// connection is how the cluster is reached, and where each setting came from.
type connection struct {
	access kube.Access
	from   map[string]string // attribute -> environment variable, for settings that came from there
}

// setting is one attribute's value: from the configuration, else from the environment.
type setting struct {
	attribute string
	value     string
	variable  string // environment variable that it came from; empty when the configuration says it
}

func (s setting) String() string {
	if s.variable != "" {
		return "environment variable " + s.variable
	}
	return s.attribute
}

// connection resolves attributes and environment. Attributes decide alone which way is taken; the environment is asked for
// one only when they name none, and for the details of the way.
func (m providerModel) connection(ctx context.Context, getenv func(string) string, version string, diags *diag.Diagnostics) connection {
	c := connection{from: map[string]string{}}
	detail := func(attribute string, value types.String) string {
		if !value.IsNull() && value.ValueString() != "" {
			return value.ValueString()
		}
		if fromEnv := getenv(environment[attribute]); fromEnv != "" {
			c.from[attribute] = environment[attribute]
			return fromEnv
		}
		return ""
	}
	way := m.way(getenv, diags)
	if diags.HasError() {
		return c
	}
	if way.variable != "" {
		c.from[way.attribute] = way.variable
	}
	switch way.attribute {
	case "kubeconfig":
		c.access.Kubeconfig = way.value
	case "config_path":
		c.access.Paths = []string{way.value}
	case "config_paths":
		c.access.Paths = filepath.SplitList(way.value)
		if way.variable == "" {
			c.access.Paths = strings.Split(way.value, "\n")
		}
	case "in_cluster":
		c.access.InCluster = true
	case "host":
		c.access.Host = way.value
		c.access.CACertificate = detail("cluster_ca_certificate", m.ClusterCACertificate)
		c.access.Exec = m.exec(ctx, diags)
		if c.access.Exec == nil {
			c.access.Token = detail("token", m.Token)
			c.access.ClientCertificate = detail("client_certificate", m.ClientCertificate)
			c.access.ClientKey = detail("client_key", m.ClientKey)
		}
	}
	if way.isKubeconfig() {
		c.access.Context = detail("config_context", m.ConfigContext)
		c.access.Cluster = detail("config_context_cluster", m.ConfigContextCluster)
		c.access.User = detail("config_context_auth_info", m.ConfigContextAuthInfo)
	}
	m.refuseStrangers(way, diags)

	c.access.TLSServerName = detail("tls_server_name", m.TLSServerName)
	c.access.ProxyURL = detail("proxy_url", m.ProxyURL)
	c.access.Insecure = m.Insecure.ValueBool()
	if text := getenv(environment["insecure"]); m.Insecure.IsNull() && text != "" {
		insecure, err := strconv.ParseBool(text)
		if err != nil {
			diags.AddError("Invalid Environment Variable", fmt.Sprintf("%s = %q: must be true or false.", environment["insecure"], text))
		}
		c.access.Insecure = insecure
	}
	if c.access.Insecure && c.access.CACertificate != "" {
		addConflict(setting{attribute: "insecure"}, setting{attribute: "cluster_ca_certificate", variable: c.from["cluster_ca_certificate"]},
			"Without a check of the certificate its authority means nothing.", diags)
	}
	c.access.QPS, c.access.Burst = defaultQPS, 2*defaultQPS
	if !m.QPS.IsNull() {
		c.access.QPS, c.access.Burst = float32(m.QPS.ValueInt64()), 2*int(m.QPS.ValueInt64())
	}
	if !m.Burst.IsNull() {
		c.access.Burst = int(m.Burst.ValueInt64())
	}
	c.access.UserAgent = "storeplatform/" + version
	c.access.OnWarning = func(ctx context.Context, text string) {
		tflog.Warn(ctx, "warning of the API server", map[string]any{"text": text})
	}
	return c
}

func (s setting) isKubeconfig() bool {
	return s.attribute == "kubeconfig" || s.attribute == "config_path" || s.attribute == "config_paths"
}

// waysInConfiguration lists the ways that the configuration names. Unknown ones count: they will be there at apply.
func (m providerModel) waysInConfiguration() []setting {
	var ways []setting
	for _, one := range []struct {
		attribute string
		value     types.String
	}{{"kubeconfig", m.Kubeconfig}, {"config_path", m.ConfigPath}, {"host", m.Host}} {
		if !one.value.IsNull() {
			ways = append(ways, setting{attribute: one.attribute, value: one.value.ValueString()})
		}
	}
	if !m.ConfigPaths.IsNull() {
		ways = append(ways, setting{attribute: "config_paths", value: strings.Join(stringsOf(m.ConfigPaths), "\n")})
	}
	if m.InCluster.ValueBool() {
		ways = append(ways, setting{attribute: "in_cluster", value: "true"})
	}
	return ways
}

func (m providerModel) way(getenv func(string) string, diags *diag.Diagnostics) setting {
	ways := m.waysInConfiguration()
	if len(ways) == 0 {
		for _, attribute := range []string{"kubeconfig", "config_path", "config_paths", "host"} {
			if value := getenv(environment[attribute]); value != "" {
				ways = append(ways, setting{attribute: attribute, value: value, variable: environment[attribute]})
			}
		}
	}
	switch len(ways) {
	case 0:
		diags.AddError("No Cluster Configured", `The provider does not know which cluster to use, and never guesses one. Give exactly one of:
  kubeconfig    content of a kubeconfig (environment variable STOREPLATFORM_KUBECONFIG)
  config_path   path of a kubeconfig file (KUBE_CONFIG_PATH)
  config_paths  paths of kubeconfig files to merge (KUBE_CONFIG_PATHS)
  host          address of the API server, with credentials (KUBE_HOST, KUBE_TOKEN, KUBE_CLUSTER_CA_CERT_DATA)
  in_cluster    true, in a pod with a service account`)
		return setting{}
	case 1:
		return ways[0]
	default:
		addConflict(ways[0], ways[1], "Each of them says which cluster to use.", diags)
		return setting{}
	}
}

// refuseStrangers reports settings that do not belong to the way that was taken: they would be ignored.
func (m providerModel) refuseStrangers(way setting, diags *diag.Diagnostics) {
	if way.attribute != "host" {
		for _, one := range []struct {
			attribute string
			null      bool
		}{
			{"token", m.Token.IsNull()},
			{"cluster_ca_certificate", m.ClusterCACertificate.IsNull()},
			{"client_certificate", m.ClientCertificate.IsNull()},
			{"client_key", m.ClientKey.IsNull()},
			{"exec", m.Exec.IsNull()},
		} {
			if !one.null {
				addConflict(setting{attribute: one.attribute}, way, "It belongs to host; the other way brings credentials of its own.", diags)
			}
		}
	}
	if way.isKubeconfig() {
		return
	}
	for attribute, value := range map[string]types.String{
		"config_context": m.ConfigContext, "config_context_auth_info": m.ConfigContextAuthInfo, "config_context_cluster": m.ConfigContextCluster,
	} {
		if !value.IsNull() {
			addConflict(setting{attribute: attribute}, way, "It chooses within a kubeconfig, and there is none.", diags)
		}
	}
}

func addConflict(a, b setting, why string, diags *diag.Diagnostics) {
	detail := fmt.Sprintf("Both %s and %s are set. %s Remove one of them.", a, b, why)
	if a.variable != "" {
		diags.AddError("Conflicting Cluster Configuration", detail)
		return
	}
	diags.AddAttributeError(path.Root(a.attribute), "Conflicting Cluster Configuration", detail)
}

func (m providerModel) exec(ctx context.Context, diags *diag.Diagnostics) *kube.Exec {
	if m.Exec.IsNull() || m.Exec.IsUnknown() {
		return nil
	}
	var set execModel
	diags.Append(m.Exec.As(ctx, &set, basetypes.ObjectAsOptions{})...)
	env := map[string]string{}
	if !set.Env.IsUnknown() {
		diags.Append(set.Env.ElementsAs(ctx, &env, true)...)
	}
	return &kube.Exec{APIVersion: set.APIVersion.ValueString(), Command: set.Command.ValueString(), Args: stringsOf(set.Args), Env: env}
}

// addAccessError turns an error of [kube.Access] into a diagnostic on the attribute that is wrong.
func (c connection) addAccessError(err error, diags *diag.Diagnostics) {
	const summary = "Cluster Configuration Not Usable"
	var wrong *kube.AccessError
	if !errors.As(err, &wrong) {
		diags.AddError(summary, err.Error())
		return
	}
	attribute := accessAttributes[wrong.Field]
	if wrong.Field == "Paths" {
		attribute = "config_path"
		if len(c.access.Paths) > 1 || c.from["config_paths"] != "" {
			attribute = "config_paths"
		}
	}
	if attribute == "" {
		diags.AddError(summary, wrong.Error())
		return
	}
	at := setting{attribute: attribute, variable: c.from[attribute]}
	detail := fmt.Sprintf("The value of %s cannot be used. %s", at, wrong.Error())
	if at.variable != "" {
		diags.AddError(summary, detail)
		return
	}
	diags.AddAttributeError(path.Root(attribute), summary, detail)
}

// clientOptions are the options of the client that do not say where the cluster is.
func (m providerModel) clientOptions(getenv func(string) string, diags *diag.Diagnostics) []storekit.ClientOption {
	var options []storekit.ClientOption
	if class := m.IngressClass.ValueString(); class != "" {
		options = append(options, storekit.WithIngressClass(class))
	}
	servers := stringsOf(m.DNSServers)
	if text := getenv(environment["dns_servers"]); m.DNSServers.IsNull() && text != "" {
		for server := range strings.SplitSeq(text, ",") {
			servers = append(servers, strings.TrimSpace(server))
		}
	}
	var addresses []string
	for _, server := range servers {
		address, ok := dnsServer(server)
		if !ok {
			diags.AddError("Invalid DNS Server", fmt.Sprintf("dns_servers has %q: must be an IP address, or an address and a port such as 192.0.2.53:53.", server))
			continue
		}
		addresses = append(addresses, address)
	}
	if len(addresses) > 0 {
		options = append(options, storekit.WithDNSServers(addresses...))
	}
	return options
}

// dnsServer adds the port to the address of a DNS server.
func dnsServer(text string) (string, bool) {
	if address, err := netip.ParseAddrPort(text); err == nil {
		return address.String(), true
	}
	address, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(address, 53).String(), err == nil
}
