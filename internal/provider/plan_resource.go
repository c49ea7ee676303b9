package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var (
	_ resource.ResourceWithConfigure      = (*planResource)(nil)
	_ resource.ResourceWithValidateConfig = (*planResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*planResource)(nil)
	_ resource.ResourceWithImportState    = (*planResource)(nil)
	_ resource.ResourceWithIdentity       = (*planResource)(nil)
)

func newPlanResource() resource.Resource { return &planResource{} }

type planResource struct {
	platform *platform
}

// Metadata implements [resource.Resource].
func (r *planResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_plan"
}

// Schema implements [resource.Resource].
func (r *planResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = planSchema()
}

// IdentitySchema implements [resource.ResourceWithIdentity].
func (r *planResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = fleetIdentitySchema("name", "Name of the plan.")
}

// Configure implements [resource.ResourceWithConfigure].
func (r *planResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig implements [resource.ResourceWithValidateConfig]. It judges every value that is known.
func (r *planResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config planModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	config.refuseEmpty(&resp.Diagnostics)
	if config.Preset.IsUnknown() || resp.Diagnostics.HasError() {
		return
	}
	base, ok := spec.Preset(presetName(config))
	if !ok {
		invalid(path.Root("preset"), config.Preset.ValueString(), "must be one of "+strings.Join(spec.PresetNames(), ", "), &resp.Diagnostics)
		return
	}
	unknown := config.unknownInputs()
	var known spec.FieldErrors
	for _, one := range spec.FieldErrorsOf(config.spec().WithBase(base).Validate()) {
		if !undecidedPlan(one, unknown) {
			known = append(known, one)
		}
	}
	fieldErrors(known, &resp.Diagnostics)
}

// ModifyPlan implements [resource.ResourceWithModifyPlan]: it plans what the preset gives and the reference, without a cluster. Only
// for a plan that is to be created it looks whether the fleet has one of that name.
func (r *planResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var config, plan planModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	set := func(at path.Path, value any) {
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, at, value)...)
	}
	set(path.Root("id"), plan.Name)
	if config.Preset.IsNull() {
		set(path.Root("preset"), types.StringValue(spec.Standard))
	}
	base, known := spec.Preset(presetName(config))
	unknown := config.Preset.IsUnknown() || !known
	if !unknown {
		fromPreset := planModelFrom(base, planModel{})
		for at, missing := range map[string]struct{ config, preset types.Object }{
			"jobs": {config.Jobs, fromPreset.Jobs}, "container": {config.Container, fromPreset.Container},
		} {
			if missing.config.IsNull() {
				set(path.Root(at), missing.preset)
			}
		}
	}
	for _, leaf := range planLeaves() {
		if given := leaf.value(config); unknown || given == nil || !given.IsNull() {
			continue
		}
		set(leaf.at, leaf.preset(base))
	}
	resp.Diagnostics.Append(resp.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	ref := types.StringUnknown()
	if !unknown && len(plan.unknownInputs()) == 0 {
		p := plan.spec()
		if err := p.Validate(); err != nil {
			resp.Diagnostics.Append(attempt{verb: "plan", target: storekit.PlanTarget(p.Name)}.diagnose(err)...)
			return
		}
		ref = types.StringValue(string(p.Ref()))
	}
	set(path.Root("ref"), ref)
	if req.State.Raw.IsNull() {
		r.preflight(ctx, plan.Name, ref, &resp.Diagnostics)
		return
	}
	var state planModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	r.platform.keepInMind(storekit.PlanTarget(state.Name.ValueString()))
	if ref.Equal(state.Ref) { // another preset at most, which differs only in values that are all given
		r.keepSpellings(ctx, state, &plan, resp)
	}
}

// preflight refuses to create a plan that is there already with other values: the stores that use it would change. One with the
// same values is what an interrupted create leaves. One that was in state in this run is tainted, or to be replaced.
func (r *planResource) preflight(ctx context.Context, name, ref types.String, diags *diag.Diagnostics) {
	if r.platform == nil || r.platform.unknown() || r.platform.fleetName.IsUnknown() || name.IsUnknown() || ref.IsUnknown() {
		return
	}
	target := storekit.PlanTarget(name.ValueString())
	if r.platform.minds(target) {
		return
	}
	try := attempt{verb: "create", target: target}
	existing, err := r.platform.fleet.Plan(ctx, target.Name)
	switch {
	case errors.Is(err, storekit.ErrNotFound), r.platform.absent(err, diags):
	case err != nil:
		diags.Append(try.diagnose(err)...)
	case existing.Plan.Ref() != spec.PlanRef(ref.ValueString()):
		diags.AddAttributeError(path.Root("name"), "Plan Exists", fmt.Sprintf(`%s Fleet %q has a plan of that name already, with other values: %s. The apply would change the stores that use it, so the plan is refused.
  - If this configuration shall manage it, import it:

      import {
        to = %s
        id = %q
      }

  - To have a plan of your own: choose another name.`, try.tried(), r.platform.fleetName.ValueString(), existing.Plan.Ref(), try.address(), target.Name))
	}
}

// keepSpellings plans the spelling of the state for values that come from the preset.
func (r *planResource) keepSpellings(ctx context.Context, state planModel, plan *planModel, resp *resource.ModifyPlanResponse) {
	for _, leaf := range planLeaves() {
		if before, after := leaf.value(state), leaf.value(*plan); before != nil && !before.Equal(after) {
			resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, leaf.at, before)...)
		}
	}
}

// Create implements [resource.Resource].
func (r *planResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan planModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.platform.await(ctx, &resp.Diagnostics) {
		return
	}
	r.platform.settle(ctx, attempt{verb: "create", target: storekit.PlanTarget(plan.Name.ValueString())}, resp.Private, &resp.Diagnostics)
	if model := r.up(ctx, "create", plan, r.platform.timeouts.create, &resp.Diagnostics); model != nil {
		resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
		r.platform.identify(ctx, resp.Identity, "name", plan.Name, &resp.Diagnostics)
	}
}

// Read implements [resource.Resource].
func (r *planResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state planModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.platform.identify(ctx, resp.Identity, "name", state.Name, &resp.Diagnostics)
	if r.platform.unknown() {
		r.platform.keepState(&resp.Diagnostics)
		return
	}
	name := state.Name.ValueString()
	try := attempt{verb: "read", target: storekit.PlanTarget(name)}
	r.platform.keepInMind(try.target)
	if !r.platform.here(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), resp) {
		return
	}
	r.platform.settle(ctx, try, resp.Private, &resp.Diagnostics)
	p, err := r.platform.fleet.Plan(ctx, name)
	switch {
	case errors.Is(err, storekit.ErrNotFound):
		resp.Diagnostics.AddWarning("Plan Is Gone", fmt.Sprintf("Plan %q is not in the cluster any more. It is taken out of state, and planned to be created again. Stores that use it keep their size.", name))
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
	default:
		model := planModelFrom(p.Plan, state)
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	}
}

// Update implements [resource.Resource].
func (r *planResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan planModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	try := attempt{verb: "update", target: storekit.PlanTarget(plan.Name.ValueString())}
	if !r.platform.awaitHome(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), &resp.Diagnostics) {
		return
	}
	r.platform.settle(ctx, try, resp.Private, &resp.Diagnostics)
	r.platform.identify(ctx, resp.Identity, "name", plan.Name, &resp.Diagnostics)
	if model := r.up(ctx, "update", plan, r.platform.timeouts.update, &resp.Diagnostics); model != nil {
		resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
	}
}

// Delete implements [resource.Resource].
func (r *planResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state planModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	target := storekit.PlanTarget(state.Name.ValueString())
	timeout := r.platform.timeouts.delete
	try := attempt{"delete", target, timeout}
	if !r.platform.awaitHome(ctx, try, homeOf(ctx, req.Private, &resp.Diagnostics), &resp.Diagnostics) {
		return
	}
	_, err := r.platform.fleet.Destroy(ctx, storekit.Only(target), storekit.Timeout(timeout), r.platform.events(ctx, &resp.Diagnostics))
	if err != nil && !errors.Is(err, storekit.ErrNotFound) {
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}

// ImportState implements [resource.ResourceWithImportState]. The id is the name of the plan; Read fills in the rest.
func (r *planResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name := r.platform.importKey(ctx, req, "name", &resp.Diagnostics)
	if resp.Diagnostics.HasError() || r.platform.refuseUnknown("An import", &resp.Diagnostics) {
		return
	}
	if _, err := r.platform.fleet.Plan(ctx, name); err != nil {
		resp.Diagnostics.Append(attempt{verb: "import", target: storekit.PlanTarget(name)}.diagnose(err)...)
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
	r.platform.identify(ctx, resp.Identity, "name", types.StringValue(name), &resp.Diagnostics)
}

// up records the plan. It returns nil after an error.
func (r *planResource) up(ctx context.Context, verb string, plan planModel, timeout time.Duration, diags *diag.Diagnostics) *planModel {
	p := plan.spec()
	if diags.HasError() {
		return nil
	}
	var program storekit.Program
	program.AddPlan(p)
	target := storekit.PlanTarget(p.Name)
	preview, err := r.platform.fleet.Preview(ctx, &program, storekit.Only(target), storekit.NoPrune())
	if err == nil {
		_, err = r.platform.fleet.Up(ctx, preview, storekit.Only(target), storekit.NoPrune(), storekit.Timeout(timeout), r.platform.events(ctx, diags))
	}
	if err != nil {
		diags.Append(attempt{verb, target, timeout}.diagnose(err)...)
		return nil
	}
	model := planModelFrom(p, plan)
	return &model
}

// refuseEmpty reports empty strings and zeros, which would silently give the preset's value.
func (m planModel) refuseEmpty(diags *diag.Diagnostics) {
	for _, leaf := range planLeaves() {
		switch value := leaf.value(m).(type) {
		case quantityValue:
			if !value.IsNull() && !value.IsUnknown() && value.ValueString() == "" {
				invalid(leaf.at, "", "must be a Kubernetes quantity such as 500m, 2, 512Mi or 4Gi, not an empty string", diags)
			}
		case types.Int64:
			if !value.IsNull() && !value.IsUnknown() && value.ValueInt64() < 1 {
				invalid(leaf.at, fmt.Sprint(value.ValueInt64()), "must be at least 1", diags)
			}
		}
	}
}

// presetName is the preset that gives missing values.
func presetName(m planModel) string {
	if m.Preset.IsNull() {
		return spec.Standard
	}
	return m.Preset.ValueString()
}

// unknownInputs lists the values that are not known yet, by dotted name.
func (m planModel) unknownInputs() map[string]bool {
	out := make(map[string]bool)
	for name, value := range map[string]attr.Value{
		"name": m.Name, "cpu": m.CPU, "memory": m.Memory, "pods": m.Pods, "storage": m.Storage, "jobs": m.Jobs, "container": m.Container, "max_volume": m.MaxVolume,
	} {
		collectUnknown(name, value, out)
	}
	return out
}

// undecidedPlan tells whether an error is about a value that is not known yet, or compares with one.
func undecidedPlan(err *spec.FieldError, unknown map[string]bool) bool {
	parent, _, _ := strings.Cut(err.Path, ".")
	if unknown[err.Path] || unknown[parent] {
		return true
	}
	larger := map[string][]string{
		"container.request_cpu":    {"container.limit_cpu"},
		"container.request_memory": {"container.limit_memory"},
		"container.limit_cpu":      {"cpu"},
		"container.limit_memory":   {"memory"},
		"max_volume":               {"storage"},
	}
	return strings.Contains(err.Allowed, "must not be above") && slices.ContainsFunc(larger[err.Path], func(name string) bool { return unknown[name] })
}
