package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// storePlan is one plan of a store that is to exist. Values are set one leaf at a time: a rebuilt collection would lose what
// Terraform keeps about its parts.
type storePlan struct {
	platform *platform
	req      resource.ModifyPlanRequest
	resp     *resource.ModifyPlanResponse

	config, plan storeModel
	state        *storeModel // nil when the store is to be created
}

// ModifyPlan implements [resource.ResourceWithModifyPlan]: it refuses what protection forbids, and plans every computed value,
// so that a plan shows which objects will change and a plan without change is empty.
func (r *storeResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.platform == nil {
		return
	}
	p := storePlan{platform: r.platform, req: req, resp: resp}
	if !req.State.Raw.IsNull() {
		p.state = new(storeModel)
		resp.Diagnostics.Append(req.State.Get(ctx, p.state)...)
	}
	if req.Plan.Raw.IsNull() {
		if p.state != nil && p.state.DeletionProtection.ValueBool() {
			attempt{verb: "delete", target: storekit.StoreTarget(p.state.Name.ValueString())}.protected(&resp.Diagnostics)
		}
		return
	}
	resp.Diagnostics.Append(req.Config.Get(ctx, &p.config)...)
	resp.Diagnostics.Append(req.Plan.Get(ctx, &p.plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	p.inherit(ctx)
	p.guardReplacement()
	p.derive(ctx)
	if resp.Diagnostics.HasError() {
		return
	}
	p.decide(ctx)
}

func (p *storePlan) set(ctx context.Context, at path.Path, value any) {
	p.resp.Diagnostics.Append(p.resp.Plan.SetAttribute(ctx, at, value)...)
}

// inherit fills in what the configuration leaves to the provider, or to another attribute.
func (p *storePlan) inherit(ctx context.Context) {
	if p.config.Owner.IsNull() {
		p.set(ctx, path.Root("owner"), p.platform.owner)
	}
	if p.config.Host.IsNull() {
		p.set(ctx, path.Root("host"), p.defaultHost())
	}
	config := decodeObject[chartModel](ctx, p.config.Chart, &p.resp.Diagnostics)
	plan := decodeObject[chartModel](ctx, p.plan.Chart, &p.resp.Diagnostics)
	if config != nil && plan != nil && config.Target.IsNull() {
		p.set(ctx, path.Root("chart").AtName("target"), plan.Port)
	}
	p.resp.Diagnostics.Append(p.resp.Plan.Get(ctx, &p.plan)...)
}

func (p *storePlan) defaultHost() types.String {
	domain := p.platform.baseDomain
	switch {
	case domain.IsNull():
		return types.StringNull()
	case domain.IsUnknown() || p.plan.Name.IsUnknown():
		return types.StringUnknown()
	default:
		return types.StringValue(spec.NormalHost(p.plan.Name.ValueString() + "." + domain.ValueString()))
	}
}

// guardReplacement refuses to replace a protected store. What state says counts: protection must have been lifted before.
func (p *storePlan) guardReplacement() {
	if p.state == nil || p.state.Name.IsNull() {
		return
	}
	change := ""
	at := path.Root("name")
	before, after := p.state.engineKind(), p.plan.engineKind()
	switch {
	case !p.plan.Name.Equal(p.state.Name):
		change = fmt.Sprintf("name %s -> %s", p.state.Name, p.plan.Name)
	case before != "" && after != before:
		change = fmt.Sprintf("engine %s -> %s", before, after)
		at = path.Root(string(after))
		p.resp.RequiresReplace = append(p.resp.RequiresReplace, at)
	}
	if change == "" || !p.state.DeletionProtection.ValueBool() {
		return
	}
	p.resp.Diagnostics.AddAttributeError(at, "Store Is Protected", fmt.Sprintf(`The change %s replaces store %s (namespace %s): it would be deleted, and another one created without its data. It is protected (deletion_protection = true), so the plan is refused.
  - To keep it: take the change back.
  - To have a second store: add another storeplatform_store.
  - To replace it: set deletion_protection = false, apply, then make the change.`, change, p.state.Name, spec.NamespaceOf(p.state.Name.ValueString())))
}

// derive plans what follows from the configuration alone.
func (p *storePlan) derive(ctx context.Context) {
	p.set(ctx, path.Root("id"), p.plan.Name)
	namespace, url := types.StringUnknown(), types.StringUnknown()
	if !p.plan.Name.IsUnknown() {
		namespace = types.StringValue(spec.NamespaceOf(p.plan.Name.ValueString()))
	}
	if !p.plan.Host.IsUnknown() {
		url = types.StringNull()
		if name := p.plan.Host.ValueString(); name != "" {
			url = types.StringValue("https://" + spec.NormalHost(name))
		}
	}
	p.set(ctx, path.Root("namespace"), namespace)
	p.set(ctx, path.Root("url"), url)
	if p.state == nil {
		p.setLive(ctx, nil)
		return
	}
	p.setLive(ctx, p.state)
	p.setObjects(ctx, p.state.Objects)
	p.set(ctx, path.Root("cluster_uid"), p.state.ClusterUID)
}

// setLive plans what only the cluster can say: as it is in from, unknown when that is nil.
func (p *storePlan) setLive(ctx context.Context, from *storeModel) {
	live := storeModel{
		Ready:   types.BoolUnknown(),
		Release: types.ObjectUnknown(releaseTypes),
		Quota:   types.MapUnknown(types.ObjectType{AttrTypes: usageTypes}),
	}
	switch {
	case from != nil:
		live = *from
	case p.keepsQuota():
		live.Quota = p.state.Quota
	}
	p.set(ctx, path.Root("ready"), live.Ready)
	p.set(ctx, path.Root("release"), live.Release)
	p.set(ctx, path.Root("quota"), live.Quota)
}

// keepsQuota tells whether an update leaves the plan alone. What the store uses of its quota then comes with the next refresh,
// and so does a limit that is repaired: an update that shows every limit and use as unknown would bury what it does.
func (p *storePlan) keepsQuota() bool {
	return p.state != nil && p.plan.Plan.Equal(p.state.Plan)
}

// setObjects plans the objects of the store.
func (p *storePlan) setObjects(ctx context.Context, objects types.Map) {
	p.plan.Objects = objects
	p.set(ctx, path.Root("objects"), objects)
}

// changed tells whether the plan differs from state so far.
func (p *storePlan) changed() bool {
	return p.state == nil || !p.resp.Plan.Raw.Equal(p.req.State.Raw)
}

// decide plans the objects of the store, and asks the cluster what an apply would do.
func (p *storePlan) decide(ctx context.Context) {
	if len(p.plan.unknownInputs()) > 0 || p.platform.fleetName.IsUnknown() {
		p.setObjects(ctx, types.MapUnknown(types.StringType))
		p.setLive(ctx, nil)
		return
	}
	s := withSecrets(ctx, p.plan.spec(ctx, &p.resp.Diagnostics), p.config, &p.resp.Diagnostics)
	if err := s.Validate(); err != nil {
		p.explainOwner(s, err)
		return
	}
	if p.platform.unknown() {
		p.decideBlind(ctx, s)
		return
	}
	if p.state == nil {
		p.preflight(ctx, s)
	}
	if p.resp.Diagnostics.HasError() {
		return
	}
	var program storekit.Program
	program.AddStore(s)
	target := storekit.StoreTarget(s.Name)
	preview, err := p.platform.fleet.Preview(ctx, &program, storekit.Only(target), storekit.NoPrune())
	if err != nil {
		p.resp.Diagnostics.Append(attempt{verb: "plan", target: target}.diagnose(err)...)
		return
	}
	for _, step := range preview.Steps {
		if step.Target != target {
			continue
		}
		p.setObjects(ctx, stringMap(step.Objects))
		if step.Action != storekit.None || p.changed() {
			p.setLive(ctx, nil)
		}
	}
}

// explainOwner reports a store that is not valid. An owner may be missing only because the provider has none either.
func (p *storePlan) explainOwner(s spec.Store, err error) {
	errs := spec.FieldErrorsOf(err)
	for _, one := range errs {
		if one.Path == "owner" && s.Owner == "" {
			one.Allowed = "is not set, and the provider has no default owner. Set owner on the store or on the provider: 1 to 63 letters, digits, '-', '_' or '.'"
		}
	}
	fieldErrors(errs, &p.resp.Diagnostics)
}

// decideBlind plans without a cluster: the objects that follow from the specification are rendered, the others stay unknown
// where anything changes.
func (p *storePlan) decideBlind(ctx context.Context, s spec.Store) {
	rendered, deferred, err := storekit.Render(ctx, p.platform.fleetName.ValueString(), s)
	if err != nil {
		p.resp.Diagnostics.Append(attempt{verb: "plan", target: storekit.StoreTarget(s.Name)}.diagnose(err)...)
		return
	}
	objects := maps.Clone(stringMap(rendered).Elements())
	known := map[string]attr.Value{}
	if p.state != nil {
		known = p.state.Objects.Elements()
	}
	for _, key := range deferred {
		objects[key] = types.StringUnknown()
		if value, ok := known[key]; ok {
			objects[key] = value
		}
	}
	p.setObjects(ctx, types.MapValueMust(types.StringType, objects))
	if !p.changed() {
		return
	}
	for _, key := range deferred {
		objects[key] = types.StringUnknown()
	}
	p.setObjects(ctx, types.MapValueMust(types.StringType, objects))
	p.set(ctx, path.Root("cluster_uid"), types.StringUnknown())
	p.setLive(ctx, nil)
}

// preflight looks at what is in the place where a store is to be created. Terraform plans the same for a store that it does
// not know and for one that is tainted or to be replaced: only the cluster can tell.
func (p *storePlan) preflight(ctx context.Context, s spec.Store) {
	try := attempt{verb: "create", target: storekit.StoreTarget(s.Name)}
	st, err := p.platform.fleet.Get(ctx, s.Name)
	switch {
	case errors.Is(err, storekit.ErrNotFound):
	case errors.Is(err, storekit.ErrNotOwned) && s.Adopt:
		p.resp.Diagnostics.AddWarning("Namespace Will Be Adopted", fmt.Sprintf("Namespace %s exists and nobody owns it. The apply takes it over (adopt_existing = true); what it holds already stays, also when the store goes.", s.Namespace()))
	case err != nil:
		p.resp.Diagnostics.Append(try.diagnose(err)...)
	case !st.Complete:
		p.resp.Diagnostics.AddWarning("Store Will Be Resumed", fmt.Sprintf("An earlier operation on %s did not finish (it was interrupted at %q). The apply goes on from there; nothing is deleted.", try.object(), orNothing(st.Phase)))
	case !st.Spec.AllowDeletion:
		p.exists(try)
	default:
		p.resp.Diagnostics.AddWarning("Store Exists", fmt.Sprintf("%s is there already and not protected. If it is tainted or to be replaced, the apply deletes it first. If this state does not know it, the apply takes it over as it is.", sentenceStart(try.object())))
	}
}

func (p *storePlan) exists(try attempt) {
	p.resp.Diagnostics.AddError("Store Is Protected", fmt.Sprintf(`%s It is there already, complete and protected (deletion_protection = true), so the plan is refused.
  - If it is tainted, keep it: terraform untaint %[2]s. If -replace was given, leave it out.
  - If this state does not know it, import it:

      import {
        to = %[2]s
        id = %[3]q
      }

  - To really replace it: set deletion_protection = false, apply, then replace it.`, try.tried(), try.address(), try.target.Name))
}

func orNothing(phase string) string {
	if phase == "" {
		return "the beginning"
	}
	return phase
}
