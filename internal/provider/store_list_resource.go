package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var _ list.ListResourceWithConfigure = (*storeListResource)(nil)

func newStoreListResource() list.ListResource { return &storeListResource{} }

type storeListResource struct {
	platform *platform
}

type storeListModel struct {
	Owner  types.String `tfsdk:"owner"`
	Plan   types.String `tfsdk:"plan"`
	Engine types.String `tfsdk:"engine"`
}

// Metadata implements [list.ListResource].
func (r *storeListResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_store"
}

// ListResourceConfigSchema implements [list.ListResource].
func (r *storeListResource) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	filter := func(description string, also ...validator.String) schema.StringAttribute {
		return schema.StringAttribute{
			Optional: true, MarkdownDescription: description + " Default: none; all stores are listed.",
			Validators: append(also, stringvalidator.LengthAtLeast(1)),
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The stores of the provider's fleet, whoever made them: Terraform, Go programs or people. Use it to find stores that no state knows, and to import them.\n\n" +
			"Only the labels of namespaces are read, page by page; with `include_resource = true` the whole stores are. `terraform query` needs Terraform 1.14; OpenTofu has no such command.",
		Attributes: map[string]schema.Attribute{
			"owner":  filter("List only the stores of this owner."),
			"plan":   filter("List only the stores with the plan of this name, such as `standard`. It is the name, not the `ref` of a plan."),
			"engine": filter("List only the stores that run this engine: `woocommerce`, `medusa` or `chart`.", stringvalidator.OneOf(string(spec.KindWooCommerce), string(spec.KindMedusa), string(spec.KindChart))),
		},
	}
}

// Configure implements [list.ListResourceWithConfigure].
func (r *storeListResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// List implements [list.ListResource]. An error is pushed as the last result: a list that ends without one is whole, or as long
// as the limit.
func (r *storeListResource) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var config storeListModel
	diags := req.Config.Get(ctx, &config)
	if diags.HasError() || r.platform.refuseUnknown("Listing stores", &diags) {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	stream.Results = func(push func(list.ListResult) bool) {
		var pushed int64
		for name, err := range r.platform.fleet.Select(ctx, config.filter()) {
			if err != nil {
				push(list.ListResult{Diagnostics: attempt{verb: "read"}.diagnose(err)})
				return
			}
			result, gone := r.result(ctx, req, name)
			if gone {
				continue
			}
			if !push(result) || result.Diagnostics.HasError() {
				return
			}
			if pushed++; pushed == req.Limit {
				return
			}
		}
	}
}

// result describes one store. It is gone when it was deleted since its name was read.
func (r *storeListResource) result(ctx context.Context, req list.ListRequest, name string) (result list.ListResult, gone bool) {
	result = req.NewListResult(ctx)
	result.DisplayName = name
	r.platform.identify(ctx, result.Identity, "name", types.StringValue(name), &result.Diagnostics)
	if !req.IncludeResource {
		return result, false
	}
	st, err := r.platform.fleet.Get(ctx, name)
	switch {
	case errors.Is(err, storekit.ErrNotFound), errors.Is(err, storekit.ErrNotOwned):
		return result, true
	case err != nil:
		result.Diagnostics.Append(attempt{verb: "read", target: storekit.StoreTarget(name)}.diagnose(err)...)
		return result, false
	case st.Spec.Engine == nil:
		result.Diagnostics.AddWarning("Store Has No Record", fmt.Sprintf("The creation of store %q (namespace %s) ended before it recorded what the store should be. Put the store into the configuration and apply, without an import: that resumes it.", name, st.Namespace))
	}
	var none storeModel
	result.Diagnostics.Append(result.Resource.GetAttribute(ctx, path.Root("timeouts"), &none.Timeouts)...)
	model := storeModelFrom(st, none, &result.Diagnostics)
	result.Diagnostics.Append(result.Resource.Set(ctx, &model)...)
	return result, false
}

func (m storeListModel) filter() storekit.StoreFilter {
	return storekit.StoreFilter{Owner: m.Owner.ValueString(), Plan: m.Plan.ValueString(), Engine: spec.EngineKind(m.Engine.ValueString())}
}
