package provider

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

var (
	_ provider.ProviderWithValidateConfig     = (*storePlatform)(nil)
	_ provider.ProviderWithEphemeralResources = (*storePlatform)(nil)
	_ provider.ProviderWithListResources      = (*storePlatform)(nil)
	_ provider.ProviderWithFunctions          = (*storePlatform)(nil)
	_ provider.ProviderWithActions            = (*storePlatform)(nil)
)

// New returns a constructor of the provider. version is part of its user agent and of nothing that it leaves in a cluster.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &storePlatform{version: version, getenv: os.Getenv} }
}

type storePlatform struct {
	version string
	getenv  func(string) string
	// platform is what Configure made.
	platform *platform
}

type providerModel struct {
	Kubeconfig            types.String `tfsdk:"kubeconfig"`
	ConfigPath            types.String `tfsdk:"config_path"`
	ConfigPaths           types.List   `tfsdk:"config_paths"`
	ConfigContext         types.String `tfsdk:"config_context"`
	ConfigContextAuthInfo types.String `tfsdk:"config_context_auth_info"`
	ConfigContextCluster  types.String `tfsdk:"config_context_cluster"`
	Host                  types.String `tfsdk:"host"`
	Token                 types.String `tfsdk:"token"`
	ClusterCACertificate  types.String `tfsdk:"cluster_ca_certificate"`
	ClientCertificate     types.String `tfsdk:"client_certificate"`
	ClientKey             types.String `tfsdk:"client_key"`
	Exec                  types.Object `tfsdk:"exec"`
	InCluster             types.Bool   `tfsdk:"in_cluster"`
	Insecure              types.Bool   `tfsdk:"insecure"`
	TLSServerName         types.String `tfsdk:"tls_server_name"`
	ProxyURL              types.String `tfsdk:"proxy_url"`
	QPS                   types.Int64  `tfsdk:"qps"`
	Burst                 types.Int64  `tfsdk:"burst"`
	Fleet                 types.String `tfsdk:"fleet"`
	Owner                 types.String `tfsdk:"owner"`
	BaseDomain            types.String `tfsdk:"base_domain"`
	IngressClass          types.String `tfsdk:"ingress_class"`
	DNSServers            types.List   `tfsdk:"dns_servers"`
	Timeouts              types.Object `tfsdk:"timeouts"`
}

type execModel struct {
	APIVersion types.String `tfsdk:"api_version"`
	Command    types.String `tfsdk:"command"`
	Args       types.List   `tfsdk:"args"`
	Env        types.Map    `tfsdk:"env"`
}

type providerTimeoutsModel struct {
	Connect types.String `tfsdk:"connect"`
	Create  types.String `tfsdk:"create"`
	Update  types.String `tfsdk:"update"`
	Delete  types.String `tfsdk:"delete"`
}

// Metadata implements [provider.Provider].
func (p *storePlatform) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "storeplatform"
	resp.Version = p.version
}

// Schema implements [provider.Provider].
func (p *storePlatform) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerSchema()
}

// ValidateConfig implements [provider.ProviderWithValidateConfig]. It judges what is written in the configuration, without
// files and environment: those may be there only where the apply runs.
func (p *storePlatform) ValidateConfig(ctx context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	var config providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	config.validate(ctx, &resp.Diagnostics)
}

// Configure implements [provider.Provider]. It never dials.
func (p *storePlatform) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var config providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	config.validate(ctx, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	data := &platform{
		renderer:   storekit.NewRenderer(),
		fleetName:  config.fleet(),
		owner:      config.Owner,
		baseDomain: config.BaseDomain,
		timeouts:   config.timeouts(ctx, &resp.Diagnostics),
	}
	if config.connectionUnknown() {
		if req.ClientCapabilities.DeferralAllowed {
			resp.Deferred = &provider.Deferred{Reason: provider.DeferredReasonProviderConfigUnknown}
		}
	} else {
		c := config.connection(ctx, p.getenv, p.version, &resp.Diagnostics)
		data.connect(c, config.clientOptions(p.getenv, &resp.Diagnostics), &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	p.platform = data
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData, resp.ActionData, resp.ListResourceData = data, data, data, data, data
}

// Resources implements [provider.Provider].
func (p *storePlatform) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{newStoreResource, newPlanResource, newDomainResource}
}

// DataSources implements [provider.Provider].
func (p *storePlatform) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{newClusterDataSource, newStoreDataSource}
}

// EphemeralResources implements [provider.ProviderWithEphemeralResources].
func (p *storePlatform) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{newAdminEphemeralResource}
}

// ListResources implements [provider.ProviderWithListResources].
func (p *storePlatform) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{newStoreListResource}
}

// Actions implements [provider.ProviderWithActions].
func (p *storePlatform) Actions(context.Context) []func() action.Action {
	return []func() action.Action{newBackupAction}
}

// Functions implements [provider.ProviderWithFunctions].
func (p *storePlatform) Functions(context.Context) []func() function.Function {
	return []func() function.Function{newNipIOHostFunction, newPlanCapacityFunction}
}

// connectionUnknown tells whether anything that decides which cluster is reached, or how, is known only after apply.
func (m providerModel) connectionUnknown() bool {
	for _, value := range []interface{ IsUnknown() bool }{
		m.Kubeconfig, m.ConfigPath, m.ConfigPaths, m.ConfigContext, m.ConfigContextAuthInfo, m.ConfigContextCluster, m.Host, m.Token,
		m.ClusterCACertificate, m.ClientCertificate, m.ClientKey, m.Exec, m.InCluster, m.Insecure, m.TLSServerName, m.ProxyURL, m.QPS, m.Burst,
		m.Fleet, m.IngressClass, m.DNSServers,
	} {
		if value.IsUnknown() {
			return true
		}
	}
	for _, list := range []types.List{m.ConfigPaths, m.DNSServers} {
		for _, item := range list.Elements() {
			if item.IsUnknown() {
				return true
			}
		}
	}
	return objectHasUnknown(m.Exec)
}

func objectHasUnknown(object types.Object) bool {
	for _, value := range object.Attributes() {
		if value.IsUnknown() {
			return true
		}
		switch collection := value.(type) {
		case types.List:
			for _, item := range collection.Elements() {
				if item.IsUnknown() {
					return true
				}
			}
		case types.Map:
			for _, item := range collection.Elements() {
				if item.IsUnknown() {
					return true
				}
			}
		}
	}
	return false
}

func (m providerModel) fleet() types.String {
	if m.Fleet.IsNull() {
		return types.StringValue("default")
	}
	return m.Fleet
}

const (
	defaultTimeout = 10 * time.Minute
	defaultConnect = 5 * time.Minute
)

func (m providerModel) timeouts(ctx context.Context, diags *diag.Diagnostics) operationTimeouts {
	out := operationTimeouts{connect: defaultConnect, create: defaultTimeout, update: defaultTimeout, delete: defaultTimeout}
	if m.Timeouts.IsNull() || m.Timeouts.IsUnknown() {
		return out
	}
	var set providerTimeoutsModel
	diags.Append(m.Timeouts.As(ctx, &set, basetypes.ObjectAsOptions{})...)
	for name, one := range map[string]struct {
		text   types.String
		target *time.Duration
	}{"connect": {set.Connect, &out.connect}, "create": {set.Create, &out.create}, "update": {set.Update, &out.update}, "delete": {set.Delete, &out.delete}} {
		if one.text.IsNull() || one.text.IsUnknown() {
			continue
		}
		duration, err := parseTimeout(one.text.ValueString())
		if err != nil {
			invalid(path.Root("timeouts").AtName(name), one.text.ValueString(), err.Error(), diags)
			continue
		}
		*one.target = duration
	}
	return out
}

// parseTimeout parses the duration of an operation.
func parseTimeout(text string) (time.Duration, error) {
	duration, err := time.ParseDuration(text)
	if err != nil || duration <= 0 {
		return 0, errors.New("must be a duration above zero such as 90s, 15m or 1h30m")
	}
	return duration, nil
}
