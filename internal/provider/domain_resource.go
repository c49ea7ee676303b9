package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var (
	_ resource.ResourceWithConfigure      = (*domainResource)(nil)
	_ resource.ResourceWithValidateConfig = (*domainResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*domainResource)(nil)
	_ resource.ResourceWithImportState    = (*domainResource)(nil)
	_ resource.ResourceWithIdentity       = (*domainResource)(nil)
)

func newDomainResource() resource.Resource { return &domainResource{} }

type domainResource struct {
	platform *platform
}

// Metadata implements [resource.Resource].
func (r *domainResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_domain"
}

// Schema implements [resource.Resource].
func (r *domainResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = domainSchema()
}

// IdentitySchema implements [resource.ResourceWithIdentity].
func (r *domainResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = fleetIdentitySchema("host", "Host name, in lower case and without a trailing dot.")
}

// Configure implements [resource.ResourceWithConfigure].
func (r *domainResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig implements [resource.ResourceWithValidateConfig]. It judges every value that is known.
func (r *domainResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config domainModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var known spec.FieldErrors
	for _, one := range spec.FieldErrorsOf(config.spec().Validate()) {
		if one.Path == "store" && config.Store.IsUnknown() || one.Path == "host" && config.Host.IsUnknown() {
			continue
		}
		known = append(known, one)
	}
	fieldErrors(known, &resp.Diagnostics)
}

// ModifyPlan implements [resource.ResourceWithModifyPlan]: it plans what follows from the host, refuses a host that another store
// has, and plans the repair of what somebody has changed. What the DNS says is never planned, so it never makes a difference.
func (r *domainResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan domainModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if !req.State.Raw.IsNull() {
		var state domainModel
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
		r.platform.keepInMind(storekit.DomainTarget(state.Host.ValueString()))
		if plan.Host.Equal(state.Host) && plan.Store.Equal(state.Store) {
			resp.Plan.Raw = req.State.Raw // another spelling of the host at most
			r.planRepair(ctx, state, resp)
		}
		return
	}
	if resp.Diagnostics.HasError() || plan.Host.IsUnknown() {
		return
	}
	name := spec.NormalHost(plan.Host.ValueString())
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("id"), name)...)
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("url"), "https://"+name)...)
	if plan.Store.IsUnknown() {
		return
	}
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("namespace"), spec.NamespaceOf(plan.Store.ValueString()))...)
	if r.offline() || r.platform.minds(storekit.DomainTarget(name)) { // to be replaced: its host is free by then
		return
	}
	try := attempt{verb: "create", target: storekit.DomainTarget(name)}
	err := r.platform.fleet.CheckHost(ctx, spec.Domain{Store: plan.Store.ValueString(), Host: name})
	if err != nil && !r.platform.mayBeGivenUp(err) && !r.platform.absent(err, &resp.Diagnostics) {
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}

// offline tells whether a plan has to do without the cluster.
func (r *domainResource) offline() bool {
	return r.platform == nil || r.platform.unknown() || r.platform.fleetName.IsUnknown()
}

// planRepair plans an update of a domain that is not as it was left. Nothing but what the cluster says of it can change.
func (r *domainResource) planRepair(ctx context.Context, state domainModel, resp *resource.ModifyPlanResponse) {
	if r.offline() || resp.Diagnostics.HasError() {
		return
	}
	var program storekit.Program
	program.AddDomain(state.spec())
	try := attempt{verb: "plan", target: storekit.DomainTarget(state.Host.ValueString())}
	preview, err := r.platform.fleet.Preview(ctx, &program, storekit.Only(try.target), storekit.NoPrune())
	switch {
	case errors.Is(err, storekit.ErrNotFound), errors.Is(err, storekit.ErrNotInstalled), r.platform.absent(err, &resp.Diagnostics):
		return // its store, or the record of it, is made anew first
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
		return
	}
	r.platform.warnLimited(preview.Warnings, &resp.Diagnostics)
	if preview.Empty() {
		return
	}
	resp.Diagnostics.AddWarning("Domain Will Be Repaired", fmt.Sprintf("%s is not as it was left. The apply repairs it:\n%s", sentenceStart(try.object()), preview))
	for name, value := range map[string]attr.Value{
		"ingress":   types.StringUnknown(),
		"addresses": types.ListUnknown(types.StringType),
		"records":   types.ListUnknown(types.ObjectType{AttrTypes: recordTypes}),
		"verified":  types.BoolUnknown(),
		"findings":  types.ListUnknown(types.StringType),
	} {
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root(name), value)...)
	}
}

// Create implements [resource.Resource].
func (r *domainResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan domainModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.platform.await(ctx, &resp.Diagnostics) {
		return
	}
	try := attempt{"create", storekit.DomainTarget(plan.Host.ValueString()), r.platform.timeouts.create}
	r.platform.settle(ctx, try, resp.Private, &resp.Diagnostics)
	st, err := r.up(ctx, try, plan, &resp.Diagnostics)
	if st != nil {
		model := domainModelFrom(ctx, st, &resp.Diagnostics)
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
		r.platform.identify(ctx, resp.Identity, "host", model.ID, &resp.Diagnostics)
		warnUnverified(st, &resp.Diagnostics)
	}
	if err != nil {
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}

// up makes the domain what the plan says. The state that it returns is nil when the domain does not exist.
func (r *domainResource) up(ctx context.Context, try attempt, plan domainModel, diags *diag.Diagnostics) (*storekit.DomainState, error) {
	var program storekit.Program
	program.AddDomain(plan.spec())
	preview, err := r.platform.fleet.Preview(ctx, &program, storekit.Only(try.target), storekit.NoPrune())
	if err != nil {
		return nil, err
	}
	result, err := r.platform.fleet.Up(ctx, preview, storekit.Only(try.target), storekit.NoPrune(), storekit.Timeout(try.timeout), r.platform.events(ctx, diags))
	var st *storekit.DomainState
	if result != nil {
		st = result.Domains[try.target.Name]
	}
	if st == nil && err == nil { // nothing was to be done
		return r.platform.fleet.Domain(ctx, try.target.Name)
	}
	return st, err
}

// Read implements [resource.Resource].
func (r *domainResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state domainModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	name := spec.NormalHost(state.Host.ValueString())
	r.platform.identify(ctx, resp.Identity, "host", types.StringValue(name), &resp.Diagnostics)
	if r.platform.unknown() {
		r.platform.keepState(&resp.Diagnostics)
		return
	}
	try := attempt{verb: "read", target: storekit.DomainTarget(name)}
	r.platform.keepInMind(try.target)
	if !r.platform.here(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), resp) {
		return
	}
	r.platform.settle(ctx, try, resp.Private, &resp.Diagnostics)
	st, err := r.platform.fleet.Domain(ctx, name)
	switch {
	case errors.Is(err, storekit.ErrNotFound):
		resp.Diagnostics.AddWarning("Domain Is Gone", fmt.Sprintf("Domain %q is not in the cluster any more. It is taken out of state, and planned to be created again.", name))
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
	default:
		model := domainModelFrom(ctx, st, &resp.Diagnostics)
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	}
}

// Update implements [resource.Resource]. Nothing that a configuration says of a domain changes in place: it repairs what somebody has
// changed.
func (r *domainResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan domainModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	try := attempt{"update", storekit.DomainTarget(plan.Host.ValueString()), r.platform.timeouts.update}
	if !r.platform.awaitHome(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), &resp.Diagnostics) {
		return
	}
	r.platform.settle(ctx, try, resp.Private, &resp.Diagnostics)
	r.platform.identify(ctx, resp.Identity, "host", types.StringValue(try.target.Name), &resp.Diagnostics)
	st, err := r.up(ctx, try, plan, &resp.Diagnostics)
	if err != nil {
		resp.Diagnostics.Append(try.diagnose(err)...)
		return
	}
	model := domainModelFrom(ctx, st, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	warnUnverified(st, &resp.Diagnostics)
}

// Delete implements [resource.Resource].
func (r *domainResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state domainModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	target, timeout := storekit.DomainTarget(state.Host.ValueString()), r.platform.timeouts.delete
	try := attempt{"delete", target, timeout}
	if !r.platform.awaitHome(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), &resp.Diagnostics) {
		return
	}
	_, err := r.platform.fleet.Destroy(ctx, storekit.Only(target), storekit.Timeout(timeout), r.platform.events(ctx, &resp.Diagnostics))
	if err != nil && !errors.Is(err, storekit.ErrNotFound) {
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}

// ImportState implements [resource.ResourceWithImportState]. The id is the host; Read fills in the rest.
func (r *domainResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name := spec.NormalHost(r.platform.importKey(ctx, req, "host", &resp.Diagnostics))
	if resp.Diagnostics.HasError() || r.platform.refuseUnknown("An import", &resp.Diagnostics) {
		return
	}
	if _, err := r.platform.fleet.Domain(ctx, name); err != nil {
		resp.Diagnostics.Append(attempt{verb: "import", target: storekit.DomainTarget(name)}.diagnose(err)...)
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("host"), name)...)
	r.platform.identify(ctx, resp.Identity, "host", types.StringValue(name), &resp.Diagnostics)
}

// warnUnverified tells which records are still to be made. A domain works as soon as they are there, without another apply.
func warnUnverified(st *storekit.DomainState, diags *diag.Diagnostics) {
	if st.Verified {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Domain %q is bound to store %q, but the DNS does not lead there yet.", st.Domain.Host, st.Domain.Store)
	for _, record := range st.Records {
		if record.Status != spec.RecordOK {
			fmt.Fprintf(&b, "\n  %s %s %s (%s): %s", record.Name, record.Type, record.Value, record.Status, record.Message)
		}
	}
	for _, finding := range st.Findings {
		fmt.Fprintf(&b, "\n  %s", finding)
	}
	b.WriteString("\nNo further apply is needed when the records are there; terraform refresh shows them.")
	diags.AddWarning("Domain Not Verified", b.String())
}
