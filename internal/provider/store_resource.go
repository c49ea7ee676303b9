package provider

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var (
	_ resource.ResourceWithConfigure      = (*storeResource)(nil)
	_ resource.ResourceWithValidateConfig = (*storeResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*storeResource)(nil)
	_ resource.ResourceWithImportState    = (*storeResource)(nil)
	_ resource.ResourceWithIdentity       = (*storeResource)(nil)
)

func newStoreResource() resource.Resource { return &storeResource{} }

type storeResource struct {
	platform *platform
}

// halfMade is the key in private state of a store whose creation failed. Terraform taints such a store and would replace it;
// it is resumed instead: see [storeResource.Delete].
const halfMade = "half_made"

// Metadata implements [resource.Resource].
func (r *storeResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_store"
}

// Schema implements [resource.Resource].
func (r *storeResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = storeSchema(ctx)
}

// IdentitySchema implements [resource.ResourceWithIdentity].
func (r *storeResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = fleetIdentitySchema("name", "Name of the store.")
}

// Configure implements [resource.ResourceWithConfigure].
func (r *storeResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// Create implements [resource.Resource].
func (r *storeResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config storeModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() || !r.platform.await(ctx, &resp.Diagnostics) {
		return
	}
	timeout, diags := plan.Timeouts.Create(ctx, r.platform.timeouts.create)
	resp.Diagnostics.Append(diags...)
	own := rand.Text()
	st, err := r.up(ctx, withSecrets(plan.spec(&resp.Diagnostics), config, &resp.Diagnostics), own, timeout, &resp.Diagnostics)
	if st != nil {
		model := storeModelFrom(st, plan, &resp.Diagnostics)
		if err == nil {
			keepPlanned(&model, plan, &resp.Diagnostics)
		}
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
		keepEnvironment(ctx, resp.Private, st, &resp.Diagnostics)
		keepIncarnation(ctx, resp.Private, own, &resp.Diagnostics)
		r.platform.identify(ctx, resp.Identity, "name", model.Name, &resp.Diagnostics)
	}
	if err != nil {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, halfMade, []byte("true"))...)
		resp.Diagnostics.Append(attempt{"create", storekit.StoreTarget(plan.Name.ValueString()), timeout}.diagnose(err)...)
	}
}

// Read implements [resource.Resource].
func (r *storeResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state storeModel
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
	moved, diags := req.Private.GetKey(ctx, movedFrom)
	resp.Diagnostics.Append(diags...)
	known, diags := req.Private.GetKey(ctx, environmentKey)
	resp.Diagnostics.Append(diags...)
	try := attempt{verb: "read", target: storekit.StoreTarget(name)}
	r.platform.keepInMind(try.target)
	if !r.platform.here(ctx, try, state.ClusterUID.ValueString(), resp) {
		return
	}
	st, err := r.platform.store(ctx, name)
	switch {
	case errors.Is(err, storekit.ErrNotFound):
		resp.Diagnostics.AddWarning("Store Is Gone", fmt.Sprintf("Store %q (namespace %s) is not in the cluster any more. It is taken out of state, and planned to be created again.", name, spec.NamespaceOf(name)))
		resp.State.RemoveResource(ctx)
	case errors.Is(err, storekit.ErrNotOwned) && len(moved) > 0:
		warnMoved(name, moved, &resp.Diagnostics)
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
	default:
		model := storeModelFrom(st, state, &resp.Diagnostics)
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
		keepEnvironment(ctx, resp.Private, st, &resp.Diagnostics)
		if len(known) == 0 { // it is imported, or moved here
			keepIncarnation(ctx, resp.Private, st.Incarnation, &resp.Diagnostics)
		}
		r.platform.warnLimited(st.Warnings, &resp.Diagnostics)
		resp.Diagnostics.Append(remarks(st)...)
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, movedFrom, nil)...)
	}
}

// remarks are what a refresh says of a store that is there.
func remarks(st *storekit.State) diag.Diagnostics {
	var diags diag.Diagnostics
	if st.BackupFailure != "" {
		diags.AddWarning("Latest Backup Failed", fmt.Sprintf("Store %q (namespace %s) has no backup of its latest state: %s\n"+
			"The shop is not affected. What the pod's log says is to be mended; action storeplatform_store_backup makes a backup at once.", st.Spec.Name, st.Namespace, sentence(st.BackupFailure)))
	}
	return diags
}

// Update implements [resource.Resource]. After an error state stays as it was: the next refresh shows what is there.
func (r *storeResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, config, state storeModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	unfinished, diags := req.Private.GetKey(ctx, halfMade)
	resp.Diagnostics.Append(diags...)
	timeout, diags := plan.Timeouts.Update(ctx, r.platform.timeouts.update)
	resp.Diagnostics.Append(diags...)
	try := attempt{"update", storekit.StoreTarget(plan.Name.ValueString()), timeout}
	if !r.platform.awaitHome(ctx, try, state.ClusterUID.ValueString(), &resp.Diagnostics) {
		return
	}
	r.platform.identify(ctx, resp.Identity, "name", plan.Name, &resp.Diagnostics)
	s := withSecrets(plan.spec(&resp.Diagnostics), config, &resp.Diagnostics)
	if len(unfinished) == 0 {
		s = withoutPinned(s, config, &state)
	}
	st, err := r.up(ctx, s, "", timeout, &resp.Diagnostics)
	if err != nil {
		resp.Diagnostics.Append(try.diagnose(err)...)
		return
	}
	model := storeModelFrom(st, plan, &resp.Diagnostics)
	keepPlanned(&model, plan, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	keepEnvironment(ctx, resp.Private, st, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, halfMade, nil)...)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, movedFrom, nil)...)
}

// Delete implements [resource.Resource]. A destroy of a protected store is refused at plan; one that arrives here comes from a
// replacement that no plan could see: a taint or -replace.
func (r *storeResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state storeModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	unfinished, diags := req.Private.GetKey(ctx, halfMade)
	resp.Diagnostics.Append(diags...)
	timeout, diags := state.Timeouts.Delete(ctx, r.platform.timeouts.delete)
	resp.Diagnostics.Append(diags...)
	target := storekit.StoreTarget(state.Name.ValueString())
	try := attempt{"delete", target, timeout}
	if !r.platform.awaitHome(ctx, try, state.ClusterUID.ValueString(), &resp.Diagnostics) {
		return
	}
	if state.DeletionProtection.ValueBool() {
		if len(unfinished) == 0 {
			try.protected(&resp.Diagnostics)
			return
		}
		resp.Diagnostics.AddWarning("Store Is Resumed", fmt.Sprintf(`The creation of %s had failed, so this state lets it go to have it made again. It is protected (deletion_protection = true): what is there was kept.
  - If the configuration still has it, its creation goes on from there.
  - If it was renamed or removed, this state does not know it any more. To delete it, get it back with deletion_protection = false in its block, apply, then remove both:

      import {
        to = %s
        id = %q
      }`, try.object(), try.address(), target.Name))
		return
	}
	own := privateText(ctx, req.Private, incarnationKey, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	_, err := r.platform.fleet.Destroy(ctx, storekit.Only(target), storekit.OnlyIncarnation(own), storekit.Timeout(timeout), r.platform.events(ctx, &resp.Diagnostics))
	switch {
	case errors.Is(err, storekit.ErrCreatedAgain):
		resp.Diagnostics.AddWarning("Store Is Kept", fmt.Sprintf("What is there of %s was created again since, by a replacement with create_before_destroy or from another state, "+
			"so nothing of it was deleted. To delete it, remove it from the configuration that created it last, or import it and destroy that.", try.object()))
	case err != nil && !errors.Is(err, storekit.ErrNotFound):
		resp.Diagnostics.Append(try.diagnose(err)...)
	}
}

// ImportState implements [resource.ResourceWithImportState]. The id is the name of the store; Read fills in the rest.
func (r *storeResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name := r.platform.importKey(ctx, req, "name", &resp.Diagnostics)
	if resp.Diagnostics.HasError() || r.platform.refuseUnknown("An import", &resp.Diagnostics) {
		return
	}
	st, err := r.platform.fleet.Get(ctx, name)
	if err != nil {
		resp.Diagnostics.Append(attempt{verb: "import", target: storekit.StoreTarget(name)}.diagnose(err)...)
		return
	}
	if st.Spec.Engine == nil {
		resp.Diagnostics.AddError("Store Has No Record", fmt.Sprintf("Tried to import store %q (namespace %s). Its creation ended before it recorded what the store should be. Put the store into the configuration and apply, without an import: that resumes it.", name, st.Namespace))
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
	r.platform.identify(ctx, resp.Identity, "name", types.StringValue(name), &resp.Diagnostics)
}

// up makes the store what s says, unless reading s from the plan has failed. The state that it returns is nil when the store does not
// exist. A Create gives an incarnation.
func (r *storeResource) up(ctx context.Context, s spec.Store, incarnation string, timeout time.Duration, diags *diag.Diagnostics) (*storekit.State, error) {
	if diags.HasError() {
		return nil, nil
	}
	var program storekit.Program
	program.AddStore(s).Incarnation = incarnation
	only := storekit.Only(storekit.StoreTarget(s.Name))
	result, err := r.previewAndUp(ctx, &program, only, timeout, diags)
	if errors.Is(err, storekit.ErrPreviewStale) { // somebody was at work between reading and writing, and is done
		result, err = r.previewAndUp(ctx, &program, only, timeout, diags)
	}
	var st *storekit.State
	if result != nil {
		st = result.Stores[s.Name]
	}
	if st == nil && err == nil { // nothing was to be done
		st, err = r.platform.fleet.Get(ctx, s.Name)
	}
	if st != nil && st.Spec.Engine == nil { // it ended before it recorded anything
		st.Spec = s
	}
	return st, err
}

func (r *storeResource) previewAndUp(ctx context.Context, program *storekit.Program, only storekit.RunOption, timeout time.Duration, diags *diag.Diagnostics) (*storekit.Result, error) {
	preview, err := r.platform.fleet.Preview(ctx, program, only, storekit.NoPrune())
	if err != nil {
		return nil, err
	}
	return r.platform.fleet.Up(ctx, preview, only, storekit.NoPrune(), storekit.Timeout(timeout), r.platform.events(ctx, diags))
}

// keepPlanned keeps the promises of the plan: what it showed as known is what state says after the apply. An object that other
// hands changed during the apply is a warning; the next refresh shows it.
func keepPlanned(model *storeModel, plan storeModel, diags *diag.Diagnostics) {
	if !plan.Quota.IsUnknown() && !plan.Quota.IsNull() {
		model.Quota = plan.Quota
	}
	if plan.Objects.IsUnknown() || plan.Objects.IsNull() {
		return
	}
	live := model.Objects.Elements()
	kept := maps.Clone(plan.Objects.Elements())
	for key, value := range kept {
		now, present := live[key]
		if value.IsUnknown() {
			kept[key] = types.StringValue(textOf(now))
			continue
		}
		wanted, _ := storekit.DesiredDigest(textOf(value))
		if digest, ok := storekit.DesiredDigest(textOf(now)); !present || !ok || digest != wanted {
			diags.AddWarning("Object Changed During the Apply", fmt.Sprintf("%s of store %q is not as it was left: %s. The next plan shows it in full.", key, model.Name.ValueString(), textOf(now)))
		}
	}
	model.Objects = types.MapValueMust(types.StringType, kept)
}

// environmentKey is the key in private state of what the store's objects depend on in its cluster, as of the last refresh: see
// [storePlan.outline].
const environmentKey = "environment"

// incarnationKey is the key in private state of the incarnation of the store that a Create made. With create_before_destroy the
// replacement of a store takes over what is there, and the Delete of the old one comes after: it must not delete that.
const incarnationKey = "incarnation"

func keepIncarnation(ctx context.Context, private privateState, id string, diags *diag.Diagnostics) {
	diags.Append(private.SetKey(ctx, incarnationKey, []byte(strconv.Quote(id)))...)
}

// keepEnvironment remembers the cluster that a state was read from.
func keepEnvironment(ctx context.Context, private privateState, st *storekit.State, diags *diag.Diagnostics) {
	data, err := json.Marshal(st.Environment)
	if err != nil {
		diags.AddError("Cluster Not Remembered", fmt.Sprintf("What the objects of store %q depend on cannot be kept: %v. This is a defect of the provider: please report it.", st.Spec.Name, err))
		return
	}
	diags.Append(private.SetKey(ctx, environmentKey, data)...)
}
