package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

var _ ephemeral.EphemeralResourceWithConfigure = (*adminEphemeralResource)(nil)

func newAdminEphemeralResource() ephemeral.EphemeralResource { return &adminEphemeralResource{} }

type adminEphemeralResource struct {
	platform *platform
}

type adminModel struct {
	Store      types.String `tfsdk:"store"`
	ClusterUID types.String `tfsdk:"cluster_uid"`
	User       types.String `tfsdk:"user"`
	Password   types.String `tfsdk:"password"`
	URL        types.String `tfsdk:"url"`
}

// Metadata implements [ephemeral.EphemeralResource].
func (r *adminEphemeralResource) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_store_admin"
}

// Schema implements [ephemeral.EphemeralResource].
func (r *adminEphemeralResource) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "How the administrator of a WooCommerce or Medusa store logs in. It is read from the Secret `admin` of the store's namespace whenever it is needed, and is in no plan and no state. Give it to write-only attributes and to providers.\n\n" +
			"A password that was changed in the shop itself is not known to the platform: what is read is the one that it gave last. It stays the shop's until `admin_password_wo` or `rotation` changes.",
		Attributes: map[string]schema.Attribute{
			"store": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the store.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"cluster_uid": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "UID of the cluster that the store must be in. Set it to `cluster_uid` of the store's resource to make the store and read its login in one apply: it is known only once the store is there, and nothing is read before. " +
					"Default: none; the store must be there when Terraform plans.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"user":     schema.StringAttribute{Computed: true, MarkdownDescription: "Name to log in with: of the administrator in WooCommerce, the email address in Medusa."},
			"password": schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "Password of the administrator, generated or given."},
			"url":      schema.StringAttribute{Computed: true, MarkdownDescription: "Page where the administrator logs in. Null for a store without a host."},
		},
	}
}

// Configure implements [ephemeral.EphemeralResourceWithConfigure].
func (r *adminEphemeralResource) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	r.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// Open implements [ephemeral.EphemeralResource]. While the cluster is not known, the framework has deferred it already where the
// CLI can.
func (r *adminEphemeralResource) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model adminModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() || r.platform.refuseUnknown("Reading the login of a store", &resp.Diagnostics) {
		return
	}
	r.checkCluster(ctx, model, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	try := attempt{verb: "read", target: storekit.StoreTarget(model.Store.ValueString())}
	credentials, err := r.platform.fleet.Credentials(ctx, model.Store.ValueString())
	switch {
	case errors.Is(err, storekit.ErrNoAdmin):
		resp.Diagnostics.AddAttributeError(path.Root("store"), "Store Has No Administrator", fmt.Sprintf("Tried to read how the administrator of %s logs in. It came back: %v.", try.object(), err))
		return
	case errors.Is(err, storekit.ErrNotFound):
		resp.Diagnostics.AddAttributeError(path.Root("store"), "Store Not Found", fmt.Sprintf("Tried to read how the administrator of %s logs in. It came back: %v.\n"+
			"Check its name, the fleet of the provider and the cluster that it points to. If the same apply is to make the store, add cluster_uid = storeplatform_store.NAME.cluster_uid: the login is then read when the store is there.", try.object(), err))
		return
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
		return
	}
	model.User = types.StringValue(credentials.User)
	model.Password = types.StringValue(credentials.Password.Reveal())
	model.URL = optionalString(credentials.URL)
	resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
}

// checkCluster compares the cluster with the one that the configuration expects.
func (r *adminEphemeralResource) checkCluster(ctx context.Context, model adminModel, diags *diag.Diagnostics) {
	want := model.ClusterUID.ValueString()
	if want == "" {
		return
	}
	cluster, err := r.platform.client.Cluster(ctx)
	if err != nil {
		diags.Append(attempt{verb: "read"}.diagnose(err)...)
		return
	}
	if cluster.UID != want {
		diags.AddAttributeError(path.Root("cluster_uid"), "Cluster Is Another One", fmt.Sprintf("Store %q is expected in the cluster with UID %s, but the provider points to the one with UID %s. Point the provider to the cluster of the store, or refresh the store.",
			model.Store.ValueString(), want, cluster.UID))
	}
}
