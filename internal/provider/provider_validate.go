package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var fleetPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// validate reports what is wrong with the known values of the configuration, without files and environment.
func (m providerModel) validate(ctx context.Context, diags *diag.Diagnostics) {
	if ways := m.waysInConfiguration(); len(ways) > 1 {
		addConflict(ways[0], ways[1], "Each of them says which cluster to use.", diags)
	} else if len(ways) == 1 {
		m.refuseStrangers(ways[0], diags)
	}
	for attribute, value := range map[string]types.String{"kubeconfig": m.Kubeconfig, "config_path": m.ConfigPath, "host": m.Host} {
		if !value.IsNull() && !value.IsUnknown() && value.ValueString() == "" {
			invalid(path.Root(attribute), "", "is an empty string. Leave it out (null) to use another way to reach the cluster", diags)
		}
	}
	if !m.ConfigPaths.IsNull() && !m.ConfigPaths.IsUnknown() && len(m.ConfigPaths.Elements()) == 0 {
		invalid(path.Root("config_paths"), "", "must have at least one path", diags)
	}
	if content := m.Kubeconfig.ValueString(); content != "" {
		if _, err := kube.ParseKubeconfig(content); err != nil {
			connection{}.addAccessError(err, diags)
		}
	}
	if !m.Token.IsNull() && !m.Exec.IsNull() {
		addConflict(setting{attribute: "token"}, setting{attribute: "exec"}, "Each of them gives credentials.", diags)
	}
	if m.Insecure.ValueBool() && !m.ClusterCACertificate.IsNull() {
		addConflict(setting{attribute: "insecure"}, setting{attribute: "cluster_ca_certificate"}, "Without a check of the certificate its authority means nothing.", diags)
	}
	m.validateExec(ctx, diags)
	for attribute, value := range map[string]types.Int64{"qps": m.QPS, "burst": m.Burst} {
		if !value.IsNull() && !value.IsUnknown() && (value.ValueInt64() < 1 || value.ValueInt64() > 10000) {
			invalid(path.Root(attribute), fmt.Sprint(value.ValueInt64()), "must be between 1 and 10000", diags)
		}
	}
	m.validateDefaults(diags)
	m.timeouts(ctx, diags)
	for i, server := range m.DNSServers.Elements() {
		text, ok := server.(types.String)
		if !ok || text.IsUnknown() {
			continue
		}
		if _, ok := dnsServer(text.ValueString()); !ok {
			invalid(path.Root("dns_servers").AtListIndex(i), text.ValueString(), "must be an IP address, or an address and a port such as 192.0.2.53:53", diags)
		}
	}
}

func (m providerModel) validateExec(ctx context.Context, diags *diag.Diagnostics) {
	if m.Exec.IsNull() || m.Exec.IsUnknown() {
		return
	}
	var set execModel
	diags.Append(m.Exec.As(ctx, &set, basetypes.ObjectAsOptions{})...)
	versions := []string{"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}
	if version := set.APIVersion; !version.IsUnknown() && !slices.Contains(versions, version.ValueString()) {
		invalid(path.Root("exec").AtName("api_version"), version.ValueString(), "must be "+versions[0]+" or "+versions[1], diags)
	}
	if !set.Command.IsUnknown() && set.Command.ValueString() == "" {
		invalid(path.Root("exec").AtName("command"), "", "must be a command", diags)
	}
}

// validateDefaults checks what stores inherit, by the rules of stores.
func (m providerModel) validateDefaults(diags *diag.Diagnostics) {
	if fleet := m.Fleet; !fleet.IsNull() && !fleet.IsUnknown() && !fleetPattern.MatchString(fleet.ValueString()) {
		invalid(path.Root("fleet"), fleet.ValueString(), "must be a DNS label: lower case letters, digits and '-', at most 63 characters, starting and ending with a letter or digit", diags)
	}
	if owner := m.Owner; !owner.IsNull() && !owner.IsUnknown() {
		for _, wrong := range spec.FieldErrorsOf(spec.Store{Owner: owner.ValueString()}.Validate()) {
			if wrong.Path == "owner" {
				invalid(path.Root("owner"), wrong.Value, wrong.Allowed, diags)
			}
		}
	}
	if domain := m.BaseDomain; !domain.IsNull() && !domain.IsUnknown() {
		if err := (spec.Domain{Store: "x", Host: "x." + domain.ValueString()}).Validate(); err != nil || domain.ValueString() == "" {
			invalid(path.Root("base_domain"), domain.ValueString(), "must be a domain such as shops.example.com: labels of letters, digits and '-', joined by dots", diags)
		}
	}
}
