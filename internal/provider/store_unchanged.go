package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/defaults"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// storeType is the type of stores in a configuration.
const storeType = "storeplatform_store"

// unchangedStores answers what a CLI asks of stores that are as state and configuration say, which is most stores in most plans.
// The framework visits every leaf of configuration and state a dozen times for that (terraform-plugin-framework v1.19.0:
// NullifyCollectionBlocks, ReifyNullCollectionBlocks and others, for each value of each RPC), and that was half of what a
// plan cost this provider.
//
// The answers are those that the framework would give: every protocol test compares the two. A method returns nil where there is
// anything to say or to change, and leaves the question to the framework; what the cluster has said by then is remembered, see
// [recall].
type unchangedStores struct {
	schema schema.Schema
	typ    tftypes.Type
}

func newUnchangedStores(ctx context.Context) *unchangedStores {
	s := storeSchema(ctx)
	return &unchangedStores{schema: s, typ: s.Type().TerraformType(ctx)}
}

// upgrade answers for a state of the version that the schema has. It never holds the write-only values that the framework looks for.
func (u *unchangedStores) upgrade(req *tfprotov6.UpgradeResourceStateRequest) *tfprotov6.UpgradeResourceStateResponse {
	if req.Version != u.schema.Version || req.RawState == nil {
		return nil
	}
	raw, err := req.RawState.UnmarshalWithOpts(u.typ, tfprotov6.UnmarshalOpts{ValueFromJSONOpts: tftypes.ValueFromJSONOpts{IgnoreUndefinedAttributes: true}})
	if err != nil {
		return nil
	}
	state, err := tfprotov6.NewDynamicValue(u.typ, raw)
	if err != nil {
		return nil
	}
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}
}

// read answers for a store that is in the cluster what it is in state.
func (u *unchangedStores) read(ctx context.Context, p *platform, req *tfprotov6.ReadResourceRequest) *tfprotov6.ReadResourceResponse {
	private := make(map[string][]byte)
	state := u.decode(ctx, req.CurrentState)
	if p == nil || p.unknown() || p.fleetName.IsUnknown() || state == nil || json.Unmarshal(req.Private, &private) != nil {
		return nil
	}
	for key := range private {
		if key != environmentKey && key != incarnationKey && key != halfMade { // what else there may be is for one refresh
			return nil
		}
	}
	name := state.model.Name.ValueString()
	p.keepInMind(storekit.StoreTarget(name))
	identity := req.CurrentIdentity
	switch {
	case !present(identity): // the CLI keeps none, or this state has none yet
		identity = identityData(name, p.fleetName.ValueString())
	case !identifies(identity, name):
		return nil
	}
	if uid, err := p.clusterUID(ctx); err != nil || uid != state.model.ClusterUID.ValueString() {
		return nil
	}
	st, err := p.store(ctx, name)
	if err != nil || !p.said(st.Warnings) || len(remarks(st)) > 0 {
		return nil
	}
	environment, err := json.Marshal(st.Environment)
	if err != nil || !bytes.Equal(environment, private[environmentKey]) {
		return nil
	}
	var diags diag.Diagnostics
	if now := storeModelFrom(st, state.model, &diags); len(diags) > 0 || !sameStore(ctx, now, state.model) {
		return nil
	}
	return &tfprotov6.ReadResourceResponse{NewState: req.CurrentState, Private: req.Private, NewIdentity: identity}
}

// plan answers for a store of which the configuration wants what state says, and for which an apply would do nothing.
func (u *unchangedStores) plan(ctx context.Context, p *platform, req *tfprotov6.PlanResourceChangeRequest) *tfprotov6.PlanResourceChangeResponse {
	if p == nil || p.unknown() || req.PriorState == nil || req.ProposedNewState == nil || len(req.PriorState.MsgPack) == 0 ||
		!bytes.Equal(req.PriorState.MsgPack, req.ProposedNewState.MsgPack) {
		return nil
	}
	private := make(map[string][]byte)
	if len(req.PriorPrivate) > 0 && json.Unmarshal(req.PriorPrivate, &private) != nil || len(private[halfMade]) > 0 {
		return nil
	}
	state, config := u.decode(ctx, req.PriorState), u.decode(ctx, req.Config)
	if state == nil || config == nil || !settled(ctx, u.schema.Attributes, config.raw, state.raw) {
		return nil
	}
	plan := storePlan{
		platform: p, config: config.model, plan: state.model, state: &state.model,
		resp: &resource.ModifyPlanResponse{Plan: tfsdk.Plan{Schema: u.schema, Raw: state.raw}},
	}
	if !plan.idle(ctx) {
		return nil
	}
	identity := req.PriorIdentity
	if !present(identity) { // as above; the next refresh brings one
		identity = identityData("", "")
	}
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: req.PriorState, PlannedPrivate: req.PriorPrivate, PlannedIdentity: identity}
}

// decoded is a value that a CLI sent.
type decoded struct {
	raw   tftypes.Value
	model storeModel
}

// decode returns nil for what is not there, or cannot be read.
func (u *unchangedStores) decode(ctx context.Context, value *tfprotov6.DynamicValue) *decoded {
	if value == nil {
		return nil
	}
	raw, err := value.Unmarshal(u.typ)
	if err != nil {
		return nil
	}
	store, err := u.schema.Type().ValueFromTerraform(ctx, raw)
	if err != nil {
		return nil
	}
	object, _ := store.(types.Object)
	model := decodeObject[storeModel](object)
	if model == nil {
		return nil
	}
	return &decoded{raw, *model}
}

var identityType = tftypes.Object{AttributeTypes: map[string]tftypes.Type{"name": tftypes.String, "fleet": tftypes.String}}

// identityData encodes the identity of a store; the null one when name is empty.
func identityData(name, fleet string) *tfprotov6.ResourceIdentityData {
	value := tftypes.NewValue(identityType, nil)
	if name != "" {
		value = tftypes.NewValue(identityType, map[string]tftypes.Value{
			"name": tftypes.NewValue(tftypes.String, name), "fleet": tftypes.NewValue(tftypes.String, fleet),
		})
	}
	data, err := tfprotov6.NewDynamicValue(identityType, value)
	if err != nil {
		return nil
	}
	return &tfprotov6.ResourceIdentityData{IdentityData: &data}
}

func present(identity *tfprotov6.ResourceIdentityData) bool {
	return identity != nil && identity.IdentityData != nil
}

// identifies tells whether an identity is complete and that of the store.
func identifies(identity *tfprotov6.ResourceIdentityData, name string) bool {
	value, err := identity.IdentityData.Unmarshal(identityType)
	var attributes map[string]tftypes.Value
	if err != nil || value.As(&attributes) != nil {
		return false
	}
	var itsName, itsFleet *string
	return attributes["name"].As(&itsName) == nil && attributes["fleet"].As(&itsFleet) == nil &&
		itsName != nil && *itsName == name && itsFleet != nil && *itsFleet != ""
}

// settled tells whether prior has the default of everything that the configuration leaves out.
func settled(ctx context.Context, attributes map[string]schema.Attribute, config, prior tftypes.Value) bool {
	if prior.IsNull() {
		return true
	}
	var given, has map[string]tftypes.Value
	if prior.As(&has) != nil || !config.IsNull() && config.As(&given) != nil {
		return false
	}
	for name, attribute := range attributes {
		if nested, ok := attribute.(schema.SingleNestedAttribute); ok && !settled(ctx, nested.Attributes, given[name], has[name]) {
			return false
		}
		value := defaultOf(ctx, attribute)
		if value == nil || !given[name].IsNull() {
			continue
		}
		if raw, err := value.ToTerraformValue(ctx); err != nil || !raw.Equal(has[name]) {
			return false
		}
	}
	return true
}

// defaultOf is the default of an attribute; nil when it has none.
func defaultOf(ctx context.Context, attribute schema.Attribute) attr.Value {
	switch a := attribute.(type) {
	case schema.StringAttribute:
		if a.Default != nil {
			var resp defaults.StringResponse
			a.Default.DefaultString(ctx, defaults.StringRequest{}, &resp)
			return resp.PlanValue
		}
	case schema.BoolAttribute:
		if a.Default != nil {
			var resp defaults.BoolResponse
			a.Default.DefaultBool(ctx, defaults.BoolRequest{}, &resp)
			return resp.PlanValue
		}
	case schema.Int64Attribute:
		if a.Default != nil {
			var resp defaults.Int64Response
			a.Default.DefaultInt64(ctx, defaults.Int64Request{}, &resp)
			return resp.PlanValue
		}
	case schema.ListAttribute:
		if a.Default != nil {
			var resp defaults.ListResponse
			a.Default.DefaultList(ctx, defaults.ListRequest{}, &resp)
			return resp.PlanValue
		}
	case schema.SingleNestedAttribute:
		if a.Default != nil {
			var resp defaults.ObjectResponse
			a.Default.DefaultObject(ctx, defaults.ObjectRequest{}, &resp)
			return resp.PlanValue
		}
	}
	return nil
}

// sameStore tells whether two models say the same, however it is spelt.
func sameStore(ctx context.Context, a, b storeModel) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		one, ok := x.Field(i).Interface().(attr.Value)
		other, too := y.Field(i).Interface().(attr.Value)
		if !ok || !too || !sameValue(ctx, one, other) {
			return false
		}
	}
	return true
}

func sameValue(ctx context.Context, a, b attr.Value) bool {
	switch {
	case b == nil:
		return false
	case a.Equal(b):
		return true
	case a.IsNull() || b.IsNull() || a.IsUnknown() || b.IsUnknown():
		return false
	}
	switch a := a.(type) {
	case types.Object:
		b, ok := b.(types.Object)
		if !ok {
			return false
		}
		others := b.Attributes()
		for name, one := range a.Attributes() {
			if !sameValue(ctx, one, others[name]) {
				return false
			}
		}
		return true
	case basetypes.StringValuableWithSemanticEquals:
		b, ok := b.(basetypes.StringValuable)
		if !ok {
			return false
		}
		same, diags := a.StringSemanticEquals(ctx, b)
		return same && len(diags) == 0
	default:
		return false
	}
}
