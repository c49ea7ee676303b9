package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

var _ action.ActionWithConfigure = (*backupAction)(nil)

func newBackupAction() action.Action { return &backupAction{} }

// backupAction makes a backup of a store, now.
type backupAction struct {
	platform *platform
}

// Metadata implements [action.Action].
func (a *backupAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_store_backup"
}

// Schema implements [action.Action].
func (a *backupAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Makes a backup of a WooCommerce or Medusa store now, while it runs: by `terraform apply -invoke`, or as the trigger of another resource. The store lists it in `backups` after the next refresh. Needs Terraform 1.14. It may take as long as `timeouts.update` of the provider says; a store whose last operation did not finish is to be applied first.",
		Attributes: map[string]schema.Attribute{
			"store": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the store.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}

// Configure implements [action.ActionWithConfigure].
func (a *backupAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	a.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// Invoke implements [action.Action].
func (a *backupAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var store types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("store"), &store)...)
	if resp.Diagnostics.HasError() || a.platform.refuseUnknown("Making a backup", &resp.Diagnostics) {
		return
	}
	progress := storekit.OnEvent(func(event storekit.Event) { resp.SendProgress(action.InvokeProgressEvent{Message: event.String()}) })
	try := attempt{"back up", storekit.StoreTarget(store.ValueString()), a.platform.timeouts.update}
	if _, err := a.platform.fleet.Backup(ctx, try.target.Name, storekit.Timeout(try.timeout), progress); err != nil {
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}
