package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	moved        bool        // whether the provider has planned another value than Terraform proposed
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
		r.platform.keepInMind(storekit.StoreTarget(p.state.Name.ValueString()))
	}
	if req.Plan.Raw.IsNull() {
		if p.state != nil && p.state.protected() {
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

// assign plans the value of an attribute, of which field is what is planned so far. What is planned already costs nothing: a
// change walks the whole plan, and most plans change nothing.
func assign[T attr.Value](ctx context.Context, p *storePlan, name string, field *T, value T) {
	if (*field).Equal(value) {
		return
	}
	*field, p.moved = value, true
	p.resp.Diagnostics.Append(p.resp.Plan.SetAttribute(ctx, path.Root(name), value)...)
}

// inherit fills in what the configuration leaves to the provider, or to another attribute.
func (p *storePlan) inherit(ctx context.Context) {
	if p.config.Owner.IsNull() {
		assign(ctx, p, "owner", &p.plan.Owner, p.platform.owner)
	}
	if p.config.Host.IsNull() {
		assign(ctx, p, "host", &p.plan.Host, hostValue{StringValue: p.defaultHost()})
	}
	if p.config.Backup.IsNull() {
		backup := types.ObjectNull(backupTypes)
		if p.plan.engineKind() != spec.KindChart {
			backup = backupFrom(backupDefaults())
		}
		assign(ctx, p, "backup", &p.plan.Backup, backup)
	}
	config := decodeObject[chartModel](p.config.Chart)
	plan := decodeObject[chartModel](p.plan.Chart)
	if config != nil && plan != nil && config.Target.IsNull() && !plan.Target.Equal(plan.Port) {
		p.moved = true
		p.resp.Diagnostics.Append(p.resp.Plan.SetAttribute(ctx, path.Root("chart").AtName("target"), plan.Port)...)
		p.resp.Diagnostics.Append(p.resp.Plan.GetAttribute(ctx, path.Root("chart"), &p.plan.Chart)...)
	}
}

func (p *storePlan) defaultHost() types.String {
	domain := p.platform.baseDomain
	chart := decodeObject[chartModel](p.plan.Chart)
	switch {
	case domain.IsNull(), chart != nil && chart.Service.IsNull(): // nothing of such a chart answers for a host
		return types.StringNull()
	case domain.IsUnknown() || p.plan.Name.IsUnknown() || chart != nil && chart.Service.IsUnknown():
		return types.StringUnknown()
	default:
		return types.StringValue(spec.NormalHost(p.plan.Name.ValueString() + "." + domain.ValueString()))
	}
}

// protected tells whether a store in state must not be deleted. A moved one that was not adopted yet does not say.
func (m storeModel) protected() bool {
	return m.DeletionProtection.IsNull() || m.DeletionProtection.ValueBool()
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
	if change == "" || !p.state.protected() {
		return
	}
	p.resp.Diagnostics.AddAttributeError(at, "Store Is Protected", fmt.Sprintf(`The change %s replaces store %s (namespace %s): it would be deleted, and another one created without its data. It is protected (deletion_protection = true), so the plan is refused.
  - To keep it: take the change back.
  - To have a second store: add another storeplatform_store.
  - To replace it: set deletion_protection = false, apply, then make the change.`, change, p.state.Name, spec.NamespaceOf(p.state.Name.ValueString())))
}

// derive plans what follows from the configuration alone.
func (p *storePlan) derive(ctx context.Context) {
	assign(ctx, p, "id", &p.plan.ID, p.plan.Name)
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
	assign(ctx, p, "namespace", &p.plan.Namespace, namespace)
	assign(ctx, p, "url", &p.plan.URL, url)
	if p.state == nil || p.state.ClusterUID.IsNull() { // to be created, or to be adopted after a move
		p.setLive(ctx, nil)
		return
	}
	p.setLive(ctx, p.state)
	p.setObjects(ctx, p.state.Objects, p.state.Quota)
	assign(ctx, p, "cluster_uid", &p.plan.ClusterUID, p.state.ClusterUID)
}

// setLive plans what only the cluster can say: as it is in from, unknown when that is nil.
func (p *storePlan) setLive(ctx context.Context, from *storeModel) {
	live := storeModel{Ready: types.BoolUnknown(), Release: types.ObjectUnknown(releaseTypes), Backups: types.ListUnknown(types.ObjectType{AttrTypes: backupCopyTypes})}
	if from != nil {
		live = *from
	}
	assign(ctx, p, "ready", &p.plan.Ready, live.Ready)
	assign(ctx, p, "release", &p.plan.Release, live.Release)
	assign(ctx, p, "backups", &p.plan.Backups, live.Backups)
}

// setObjects plans what the store consists of and may use.
func (p *storePlan) setObjects(ctx context.Context, objects, quota types.Map) {
	assign(ctx, p, "objects", &p.plan.Objects, objects)
	assign(ctx, p, "quota", &p.plan.Quota, quota)
}

// changed tells whether the plan differs from state so far.
func (p *storePlan) changed() bool {
	return p.state == nil || !p.resp.Plan.Raw.Equal(p.req.State.Raw)
}

// decide plans the objects of the store, and asks the cluster whether an apply would do anything.
func (p *storePlan) decide(ctx context.Context) {
	if p.undecided(ctx) {
		p.setObjects(ctx, types.MapUnknown(types.StringType), types.MapUnknown(types.StringType))
		p.setLive(ctx, nil)
		return
	}
	s := p.wanted(ctx)
	if err := s.Validate(); err != nil {
		p.explainOwner(s, err)
		return
	}
	if p.state == nil {
		for at, text := range s.Warnings() {
			p.resp.Diagnostics.AddAttributeWarning(attributePath(at), "Worth Knowing", sentence(at+" "+text))
		}
	}
	if from := p.plan.RestoreFrom; p.state != nil && !from.IsNull() && !from.Equal(p.state.RestoreFrom) {
		p.resp.Diagnostics.AddAttributeWarning(path.Root("restore_from"), "Data Will Be Replaced", fmt.Sprintf(
			"The apply puts backup %s in the place of the database and the files of store %q. What is there is backed up before. The shop is away meanwhile.", from.ValueString(), s.Name))
	}
	acts := p.changed() || p.disturbed()
	if !p.platform.unknown() {
		acts = p.preview(ctx, s) || acts
	}
	if !acts || p.resp.Diagnostics.HasError() {
		return
	}
	p.outline(ctx, s)
	p.setLive(ctx, nil)
}

// undecided tells whether something of what the apply will ask for is not known yet. A plan never has write-only values: the
// configuration says of them.
func (p *storePlan) undecided(ctx context.Context) bool {
	return len(p.plan.unknownInputs()) > 0 || p.platform.fleetName.IsUnknown() || p.config.unknownSecrets(p.given(ctx))
}

// wanted is the store that an apply of the plan asks for, with what the configuration has of secrets.
func (p *storePlan) wanted(ctx context.Context) spec.Store {
	return withoutPinned(withSecrets(p.plan.spec(&p.resp.Diagnostics), p.config, &p.resp.Diagnostics), p.config, p.given(ctx))
}

// given is the state of a store that has its secrets. One whose creation failed may never have got them: it is given all.
func (p *storePlan) given(ctx context.Context) *storeModel {
	if p.req.Private != nil {
		unfinished, diags := p.req.Private.GetKey(ctx, halfMade)
		p.resp.Diagnostics.Append(diags...)
		if len(unfinished) > 0 {
			return nil
		}
	}
	return p.state
}

// idle tells, without a word to the user, whether an apply of a plan that is what state says would do nothing.
func (p *storePlan) idle(ctx context.Context) bool {
	p.inherit(ctx)
	p.derive(ctx)
	if p.moved || p.disturbed() || p.undecided(ctx) {
		return false
	}
	s := p.wanted(ctx)
	if len(p.resp.Diagnostics) > 0 || s.Validate() != nil {
		return false
	}
	preview, err := p.platform.preview(ctx, s)
	return err == nil && p.platform.said(preview.Warnings) && !slices.ContainsFunc(preview.Steps, func(step storekit.Step) bool {
		return step.Action != storekit.None || step.Adopts != nil || step.Failure != ""
	})
}

// preview tells whether an apply would do anything. It reports what stands in the way.
func (p *storePlan) preview(ctx context.Context, s spec.Store) (acts bool) {
	if p.state == nil && !p.preflight(ctx, s) {
		return true
	}
	target := storekit.StoreTarget(s.Name)
	preview, err := p.platform.preview(ctx, s)
	switch {
	case err != nil && p.state == nil && p.platform.absent(err, &p.resp.Diagnostics), p.platform.mayBeGivenUp(err):
		return true
	case err != nil:
		p.resp.Diagnostics.Append(attempt{verb: "plan", target: target}.diagnose(err)...)
		return true
	}
	p.platform.warnLimited(preview.Warnings, &p.resp.Diagnostics)
	for _, step := range preview.Steps {
		if step.Adopts != nil {
			p.warnAdoption(step.Adopts)
		}
		if step.Failure != "" {
			p.resp.Diagnostics.AddWarning("Last Update Was Rolled Back", fmt.Sprintf("The last update of %s failed and was taken back. The apply tries it again, unless the configuration changes. It had failed so: %s", attempt{verb: "update", target: target}.object(), sentence(step.Failure)))
		}
		acts = acts || step.Action != storekit.None
	}
	return acts
}

func (p *storePlan) warnAdoption(adoption *storekit.Adoption) {
	held := "It is empty."
	if len(adoption.Keeps) > 0 {
		var names []string
		for _, ref := range adoption.Keeps {
			names = append(names, ref.String())
		}
		held = "It holds " + strings.Join(names, ", ") + ": that stays, also when the store goes."
	}
	p.resp.Diagnostics.AddWarning("Namespace Will Be Adopted", fmt.Sprintf("Namespace %s exists and nobody owns it. The apply takes it over (adopt_existing = true) and puts the store's guardrails and shop into it. %s", adoption.Namespace, held))
}

// disturbed tells whether state, as of the last refresh, has an object that is not as desired.
func (p *storePlan) disturbed() bool {
	if p.state == nil {
		return true
	}
	for _, value := range p.state.Objects.Elements() {
		if _, ok := storekit.DesiredDigest(textOf(value)); !ok {
			return true
		}
	}
	return false
}

// outline plans every object from configuration and state alone: Terraform plans once more during the apply, and what was known
// must come out the same then, whatever has happened to the cluster meanwhile.
func (p *storePlan) outline(ctx context.Context, s spec.Store) {
	env := p.environment(ctx)
	fleet := p.platform.fleetName.ValueString()
	after, err := p.platform.renderer.Outline(ctx, fleet, s, env)
	if err != nil {
		p.resp.Diagnostics.Append(attempt{verb: "plan", target: storekit.StoreTarget(s.Name)}.diagnose(err)...)
		return
	}
	known := map[string]attr.Value{}
	var before *storekit.Outline
	if p.state != nil {
		known = p.state.Objects.Elements()
		if p.state.engineKind() != "" {
			// What cannot be rendered any more cannot be compared: the plan then shows digests alone.
			before, _ = p.platform.renderer.Outline(ctx, fleet, p.state.spec(&p.resp.Diagnostics), env)
		}
	}
	objects := make(map[string]attr.Value, len(after.Objects))
	for key, digest := range after.Objects {
		text, err := plannedText(textOf(known[key]), key, digest, before, after)
		if err != nil {
			p.resp.Diagnostics.Append(attempt{verb: "plan", target: storekit.StoreTarget(s.Name)}.diagnose(err)...)
			return
		}
		objects[key] = types.StringValue(text)
	}
	for _, key := range after.Deferred {
		objects[key] = types.StringUnknown()
	}
	if p.state == nil || p.state.ClusterUID.IsNull() {
		assign(ctx, p, "cluster_uid", &p.plan.ClusterUID, types.StringUnknown())
	}
	planned := types.MapValueMust(types.StringType, objects)
	if !p.plan.RollbackTo.IsNull() {
		planned = types.MapUnknown(types.StringType) // what an earlier revision had is known to the cluster alone
	}
	p.setObjects(ctx, planned, quotaFrom(after.Quota))
}

// plannedText is what state will say of an object after the apply.
func plannedText(now, key, digest string, before, after *storekit.Outline) (string, error) {
	recorded, ok := storekit.DesiredDigest(now)
	switch {
	case ok && recorded == digest:
		return now, nil
	case !ok || before == nil || before.Objects[key] != recorded:
		return digest, nil
	}
	return after.Since(before, key)
}

// environment is what state knows of the cluster, as of the last refresh; nil when it knows nothing.
func (p *storePlan) environment(ctx context.Context) *storekit.Environment {
	if p.state == nil || p.req.Private == nil {
		return nil
	}
	data, diags := p.req.Private.GetKey(ctx, environmentKey)
	p.resp.Diagnostics.Append(diags...)
	env := new(storekit.Environment)
	if len(data) == 0 || json.Unmarshal(data, env) != nil {
		return nil
	}
	return env
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

// preflight looks at what is in the place where a store is to be created. Terraform plans the same for a store that it does
// not know and for one that is tainted or to be replaced: only the cluster can tell.
func (p *storePlan) preflight(ctx context.Context, s spec.Store) (goOn bool) {
	try := attempt{verb: "create", target: storekit.StoreTarget(s.Name)}
	st, err := p.platform.fleet.Get(ctx, s.Name)
	switch {
	case errors.Is(err, storekit.ErrNotFound):
	case errors.Is(err, storekit.ErrNotOwned) && s.Adopt:
	case err != nil && p.platform.absent(err, &p.resp.Diagnostics):
		return false
	case err != nil:
		p.resp.Diagnostics.Append(try.diagnose(err)...)
		return false
	case !st.Complete:
		p.resp.Diagnostics.AddWarning("Store Will Be Resumed", fmt.Sprintf("An earlier operation on %s did not finish (it was interrupted at %q). If it is protected, the apply goes on from there and nothing is deleted. With deletion_protection = false one that is tainted is deleted and made anew; terraform untaint %s keeps it.", try.object(), orNothing(st.Phase), try.address()))
	case !st.Spec.AllowDeletion:
		p.exists(try)
		return false
	default:
		p.resp.Diagnostics.AddWarning("Store Exists", fmt.Sprintf("%s is there already and not protected. If it is tainted or to be replaced, the apply deletes it first; with create_before_destroy it takes it over and keeps it. If this state does not know it, the apply takes it over as it is.", sentenceStart(try.object())))
	}
	return true
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
