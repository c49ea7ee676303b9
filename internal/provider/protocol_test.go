package provider

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// unknown stands for a value that is known only after apply.
type unknown struct{}

// fields are the attributes of an object; those that are left out are null.
type fields = map[string]any

// harness speaks the plugin protocol to a provider in this process, as a CLI does.
type harness struct {
	t      *testing.T
	server doubtingServer
	schema *tfprotov6.GetProviderSchemaResponse
}

// object is a resource as a CLI keeps it.
type object struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// doubtingServer asks the framework, too, when the server has answered without it: the two must say the same.
type doubtingServer struct {
	server
	t       *testing.T
	without *atomic.Int64 // questions that were answered without the framework
}

// UpgradeResourceState implements [tfprotov6.ResourceServer].
func (s doubtingServer) UpgradeResourceState(ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	framework, err := s.frameworkServer.UpgradeResourceState(ctx, req)
	own := s.unchanged.upgrade(req)
	if err != nil || req.TypeName != storeType || own == nil {
		return framework, err
	}
	s.same("messages of an upgrade", "", render(framework.Diagnostics))
	s.same("state upgraded", s.state(own.UpgradedState), s.state(framework.UpgradedState))
	s.without.Add(1)
	return own, nil
}

// ReadResource implements [tfprotov6.ResourceServer].
func (s doubtingServer) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	var own *tfprotov6.ReadResourceResponse
	if req.TypeName == storeType {
		own = s.unchanged.read(ctx, s.provider.platform, req)
	}
	framework, err := s.frameworkServer.ReadResource(ctx, req)
	if err != nil || own == nil {
		return framework, err
	}
	s.same("messages of a refresh", "", render(framework.Diagnostics))
	s.same("state read", s.state(own.NewState), s.state(framework.NewState))
	s.same("private state read", string(own.Private), string(framework.Private))
	s.same("identity read", s.identity(own.NewIdentity), s.identity(framework.NewIdentity))
	s.same("deferred", own.Deferred, framework.Deferred)
	s.without.Add(1)
	return own, nil
}

// PlanResourceChange implements [tfprotov6.ResourceServer].
func (s doubtingServer) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	var own *tfprotov6.PlanResourceChangeResponse
	if req.TypeName == storeType {
		own = s.unchanged.plan(ctx, s.provider.platform, req)
	}
	framework, err := s.frameworkServer.PlanResourceChange(ctx, req)
	if err != nil || own == nil {
		return framework, err
	}
	s.same("messages of a plan", "", render(framework.Diagnostics))
	s.same("state planned", s.state(own.PlannedState), s.state(framework.PlannedState))
	s.same("private state planned", string(own.PlannedPrivate), string(framework.PlannedPrivate))
	s.same("identity planned", s.identity(own.PlannedIdentity), s.identity(framework.PlannedIdentity))
	s.same("replacements", len(own.RequiresReplace), len(framework.RequiresReplace))
	s.same("deferred", own.Deferred, framework.Deferred)
	s.without.Add(1)
	return own, nil
}

func (s doubtingServer) same(what string, own, framework any) {
	s.t.Helper()
	if diff := cmp.Diff(framework, own); diff != "" {
		s.t.Errorf("%s: not as the framework answers (-framework +own):\n%s", what, diff)
	}
}

func (s doubtingServer) state(data *tfprotov6.DynamicValue) *tftypes.Value {
	s.t.Helper()
	return s.decoded(data, s.unchanged.typ)
}

func (s doubtingServer) identity(data *tfprotov6.ResourceIdentityData) *tftypes.Value {
	s.t.Helper()
	if data == nil {
		return nil
	}
	return s.decoded(data.IdentityData, identityType)
}

func (s doubtingServer) decoded(data *tfprotov6.DynamicValue, typ tftypes.Type) *tftypes.Value {
	s.t.Helper()
	if data == nil {
		return nil
	}
	value, err := data.Unmarshal(typ)
	if err != nil {
		s.t.Fatal(err)
	}
	return &value
}

func newHarness(t *testing.T, env map[string]string) *harness {
	t.Helper()
	p := &storePlatform{version: "test", getenv: func(name string) string { return env[name] }}
	server := doubtingServer{newServer(p), t, new(atomic.Int64)}
	schema, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if text := render(schema.Diagnostics); text != "" {
		t.Fatalf("the schema is not valid:\n%s", text)
	}
	return &harness{t: t, server: server, schema: schema}
}

// configured is a harness whose provider is configured so.
func configuredHarness(t *testing.T, config fields) *harness {
	t.Helper()
	h := newHarness(t, nil)
	if text := h.configure(config); text != "" {
		t.Fatalf("configure: %s", text)
	}
	return h
}

func (h *harness) dynamic(value tftypes.Value) *tfprotov6.DynamicValue {
	h.t.Helper()
	out, err := tfprotov6.NewDynamicValue(value.Type(), value)
	if err != nil {
		h.t.Fatal(err)
	}
	return &out
}

// value makes a protocol value of that type.
func value(typ tftypes.Type, in any) tftypes.Value {
	switch v := in.(type) {
	case nil:
		return tftypes.NewValue(typ, nil)
	case unknown:
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	case tftypes.Value:
		return v
	}
	switch typ := typ.(type) {
	case tftypes.Object:
		given, out := mapOf(in), make(map[string]tftypes.Value)
		for name, inner := range typ.AttributeTypes {
			out[name] = value(inner, given[name])
		}
		for name := range given {
			if typ.AttributeTypes[name] == nil {
				panic("no attribute " + name)
			}
		}
		return tftypes.NewValue(typ, out)
	case tftypes.List:
		items, ok := in.([]any)
		if !ok {
			panic(fmt.Sprintf("%v is no list", in))
		}
		var out []tftypes.Value
		for _, item := range items {
			out = append(out, value(typ.ElementType, item))
		}
		return tftypes.NewValue(typ, out)
	case tftypes.Map:
		out := make(map[string]tftypes.Value)
		for key, item := range mapOf(in) {
			out[key] = value(typ.ElementType, item)
		}
		return tftypes.NewValue(typ, out)
	default:
		return tftypes.NewValue(typ, in)
	}
}

func mapOf(in any) map[string]any {
	out, ok := in.(map[string]any)
	if !ok {
		panic(fmt.Sprintf("%v is no object", in))
	}
	return out
}

func (h *harness) resourceType(name string) tftypes.Type {
	return h.schema.ResourceSchemas[name].ValueType()
}

// configure validates and configures the provider and returns what it complains about.
func (h *harness) configure(config fields) string {
	h.t.Helper()
	raw := h.dynamic(value(h.schema.Provider.ValueType(), config))
	validated, err := h.server.ValidateProviderConfig(context.Background(), &tfprotov6.ValidateProviderConfigRequest{Config: raw})
	if err != nil {
		h.t.Fatal(err)
	}
	if text := render(validated.Diagnostics); text != "" {
		return text
	}
	resp, err := h.server.ConfigureProvider(context.Background(), &tfprotov6.ConfigureProviderRequest{Config: raw})
	if err != nil {
		h.t.Fatal(err)
	}
	return render(resp.Diagnostics)
}

// validate validates the configuration of a resource.
func (h *harness) validate(typeName string, config fields) string {
	h.t.Helper()
	resp, err := h.server.ValidateResourceConfig(context.Background(), &tfprotov6.ValidateResourceConfigRequest{
		TypeName: typeName, Config: h.dynamic(value(h.resourceType(typeName), config)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return render(resp.Diagnostics)
}

// planned is what a plan says.
type planned struct {
	state    tftypes.Value
	private  []byte
	replace  []*tftypes.AttributePath
	identity *tfprotov6.ResourceIdentityData
	messages string
}

// plan plans a resource. config nil plans its destruction.
func (h *harness) plan(typeName string, prior *object, config fields) planned {
	h.t.Helper()
	typ := h.resourceType(typeName)
	before := tftypes.NewValue(typ, nil)
	req := &tfprotov6.PlanResourceChangeRequest{TypeName: typeName}
	if prior != nil {
		before, req.PriorPrivate, req.PriorIdentity = prior.state, prior.private, prior.identity
	}
	wanted := tftypes.NewValue(typ, nil)
	if config != nil {
		wanted = value(typ, config)
	}
	req.PriorState, req.Config = h.dynamic(before), h.dynamic(wanted)
	req.ProposedNewState = req.PriorState // a CLI encodes equal values equally, tftypes does not
	if next := proposed(h.schema.ResourceSchemas[typeName].Block.Attributes, before, wanted); !next.Equal(before) {
		req.ProposedNewState = h.dynamic(next)
	}
	resp, err := h.server.PlanResourceChange(context.Background(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	out := planned{messages: render(resp.Diagnostics), private: resp.PlannedPrivate, replace: resp.RequiresReplace, identity: resp.PlannedIdentity}
	if resp.PlannedState != nil {
		if out.state, err = resp.PlannedState.Unmarshal(typ); err != nil {
			h.t.Fatal(err)
		}
	}
	return out
}

// apply plans and applies a resource. config nil destroys it. The object that it returns is nil when nothing is left.
func (h *harness) apply(typeName string, prior *object, config fields) (*object, string) {
	h.t.Helper()
	plan := h.plan(typeName, prior, config)
	if strings.Contains(plan.messages, "ERROR") {
		return prior, plan.messages
	}
	return h.applyPlan(typeName, prior, config, plan)
}

func (h *harness) applyPlan(typeName string, prior *object, config fields, plan planned) (*object, string) {
	h.t.Helper()
	typ := h.resourceType(typeName)
	before, wanted := tftypes.NewValue(typ, nil), tftypes.NewValue(typ, nil)
	if prior != nil {
		before = prior.state
	}
	if config != nil {
		wanted = value(typ, config)
	}
	resp, err := h.server.ApplyResourceChange(context.Background(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: typeName, PriorState: h.dynamic(before), PlannedState: h.dynamic(plan.state), Config: h.dynamic(wanted),
		PlannedPrivate: plan.private, PlannedIdentity: plan.identity,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	got := h.objectOf(typ, resp.NewState, resp.Private, resp.NewIdentity)
	messages := render(resp.Diagnostics)
	if got != nil {
		if !got.state.IsFullyKnown() {
			h.t.Errorf("state holds unknown values, which a CLI refuses: %s", got.state)
		}
		if got.identity == nil {
			h.t.Error("state has no identity")
		}
		if !strings.Contains(messages, "ERROR") {
			h.conforms(plan.state, got.state)
		}
	}
	return got, messages
}

// conforms checks that what a plan showed as known is what it became, as every CLI does.
func (h *harness) conforms(planned, got tftypes.Value) {
	h.t.Helper()
	differences, err := planned.Diff(got)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, one := range differences {
		if one.Value1 != nil && !one.Value1.IsFullyKnown() || one.Value1 == nil && isWithinUnknown(planned, one.Path) {
			continue
		}
		h.t.Errorf("planned and became differ: %s", one)
	}
}

// isWithinUnknown tells whether a value above the path is unknown.
func isWithinUnknown(root tftypes.Value, at *tftypes.AttributePath) bool {
	for steps := at.Steps(); len(steps) > 0; steps = steps[:len(steps)-1] {
		found, _, err := tftypes.WalkAttributePath(root, tftypes.NewAttributePathWithSteps(steps))
		if above, ok := found.(tftypes.Value); err == nil && ok {
			return !above.IsKnown()
		}
	}
	return false
}

func (h *harness) objectOf(typ tftypes.Type, raw *tfprotov6.DynamicValue, private []byte, identity *tfprotov6.ResourceIdentityData) *object {
	h.t.Helper()
	if raw == nil {
		return nil
	}
	state, err := raw.Unmarshal(typ)
	if err != nil {
		h.t.Fatal(err)
	}
	if state.IsNull() {
		return nil
	}
	return &object{state: state, private: private, identity: identity}
}

// read refreshes a resource.
func (h *harness) read(typeName string, prior *object) (*object, string) {
	h.t.Helper()
	resp, err := h.server.ReadResource(context.Background(), &tfprotov6.ReadResourceRequest{
		TypeName: typeName, CurrentState: h.dynamic(prior.state), Private: prior.private, CurrentIdentity: prior.identity,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.objectOf(h.resourceType(typeName), resp.NewState, resp.Private, resp.NewIdentity), render(resp.Diagnostics)
}

// importByIdentity imports and refreshes a resource.
func (h *harness) importByIdentity(typeName string, identity fields) (*object, string) {
	h.t.Helper()
	types := make(map[string]tftypes.Type)
	schemas, err := h.server.GetResourceIdentitySchemas(context.Background(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, attribute := range schemas.IdentitySchemas[typeName].IdentityAttributes {
		types[attribute.Name] = attribute.Type
	}
	return h.importBy(&tfprotov6.ImportResourceStateRequest{
		TypeName: typeName, Identity: &tfprotov6.ResourceIdentityData{IdentityData: h.dynamic(value(tftypes.Object{AttributeTypes: types}, identity))},
	})
}

func (h *harness) importBy(req *tfprotov6.ImportResourceStateRequest) (*object, string) {
	h.t.Helper()
	resp, err := h.server.ImportResourceState(context.Background(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(resp.ImportedResources) == 0 {
		return nil, render(resp.Diagnostics)
	}
	one := resp.ImportedResources[0]
	return h.read(req.TypeName, h.objectOf(h.resourceType(req.TypeName), one.State, one.Private, one.Identity))
}

// proposed merges prior state and configuration as Terraform does: what is set in the configuration wins, computed values
// that it leaves out stay as they were.
func proposed(attributes []*tfprotov6.SchemaAttribute, before, config tftypes.Value) tftypes.Value {
	if config.IsNull() || !config.IsKnown() {
		return config
	}
	var was, want map[string]tftypes.Value
	if !before.IsNull() {
		must(before.As(&was))
	}
	must(config.As(&want))
	out := maps.Clone(want)
	for _, attribute := range attributes {
		now, prior := want[attribute.Name], was[attribute.Name]
		switch {
		case attribute.WriteOnly:
			out[attribute.Name] = tftypes.NewValue(now.Type(), nil)
		case now.IsNull() && attribute.Computed && was != nil:
			out[attribute.Name] = prior
		case attribute.NestedType != nil && attribute.NestedType.Nesting == tfprotov6.SchemaObjectNestingModeSingle && !now.IsNull():
			if was == nil || !prior.IsKnown() {
				prior = tftypes.NewValue(now.Type(), nil)
			}
			out[attribute.Name] = proposed(attribute.NestedType.Attributes, prior, now)
		}
	}
	return tftypes.NewValue(config.Type(), out)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// render writes diagnostics as text: severity, attribute, summary, detail.
func render(diagnostics []*tfprotov6.Diagnostic) string {
	var b strings.Builder
	for _, one := range diagnostics {
		fmt.Fprintf(&b, "%s %s: %s: %s\n", one.Severity, dotted(one.Attribute), one.Summary, one.Detail)
	}
	return b.String()
}

func dotted(at *tftypes.AttributePath) string {
	if at == nil {
		return "-"
	}
	var parts []string
	for _, step := range at.Steps() {
		parts = append(parts, fmt.Sprint(step))
	}
	return strings.Join(parts, ".")
}

// attribute returns one attribute of an object, by dotted name, as text.
func (o *object) attribute(name string) string { return attributeOf(o.state, name) }

func attributeOf(state tftypes.Value, name string) string {
	for part := range strings.SplitSeq(name, ".") {
		if state.IsNull() || !state.IsKnown() {
			break
		}
		var inner map[string]tftypes.Value
		must(state.As(&inner))
		state = inner[part]
	}
	switch {
	case state.Type() == nil:
		return "(absent)"
	case !state.IsKnown():
		return "(unknown)"
	case state.IsNull():
		return "(null)"
	case state.Type().Is(tftypes.String):
		var text string
		must(state.As(&text))
		return text
	default:
		return state.String()
	}
}
