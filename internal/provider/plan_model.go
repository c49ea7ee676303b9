package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

type planModel struct {
	Name      types.String  `tfsdk:"name"`
	Preset    types.String  `tfsdk:"preset"`
	CPU       quantityValue `tfsdk:"cpu"`
	Memory    quantityValue `tfsdk:"memory"`
	Pods      types.Int64   `tfsdk:"pods"`
	Storage   quantityValue `tfsdk:"storage"`
	Jobs      types.Object  `tfsdk:"jobs"`
	Container types.Object  `tfsdk:"container"`
	MaxVolume quantityValue `tfsdk:"max_volume"`

	ID  types.String `tfsdk:"id"`
	Ref types.String `tfsdk:"ref"`
}

type jobsModel struct {
	CPU    quantityValue `tfsdk:"cpu"`
	Memory quantityValue `tfsdk:"memory"`
	Pods   types.Int64   `tfsdk:"pods"`
}

type containerModel struct {
	RequestCPU    quantityValue `tfsdk:"request_cpu"`
	RequestMemory quantityValue `tfsdk:"request_memory"`
	LimitCPU      quantityValue `tfsdk:"limit_cpu"`
	LimitMemory   quantityValue `tfsdk:"limit_memory"`
}

var (
	jobsTypes      = map[string]attr.Type{"cpu": quantityType{}, "memory": quantityType{}, "pods": types.Int64Type}
	containerTypes = map[string]attr.Type{
		"request_cpu": quantityType{}, "request_memory": quantityType{}, "limit_cpu": quantityType{}, "limit_memory": quantityType{},
	}
)

// spec makes the plan. Unknown and null values are left empty.
func (m planModel) spec() spec.Plan {
	p := spec.Plan{
		Name:      m.Name.ValueString(),
		Preset:    m.Preset.ValueString(),
		CPU:       m.CPU.ValueString(),
		Memory:    m.Memory.ValueString(),
		Pods:      int(m.Pods.ValueInt64()),
		Storage:   m.Storage.ValueString(),
		MaxVolume: m.MaxVolume.ValueString(),
	}
	if jobs := decodeObject[jobsModel](m.Jobs); jobs != nil {
		p.Jobs = spec.JobRoom{CPU: jobs.CPU.ValueString(), Memory: jobs.Memory.ValueString(), Pods: int(jobs.Pods.ValueInt64())}
	}
	if container := decodeObject[containerModel](m.Container); container != nil {
		p.Container = spec.ContainerDefaults{
			RequestCPU:    container.RequestCPU.ValueString(),
			RequestMemory: container.RequestMemory.ValueString(),
			LimitCPU:      container.LimitCPU.ValueString(),
			LimitMemory:   container.LimitMemory.ValueString(),
		}
	}
	return p
}

// planModelFrom makes the model of a plan. The preset of a plan that was recorded without one comes from prior, else it is the
// nearest one.
func planModelFrom(p spec.Plan, prior planModel) planModel {
	m := planModel{
		Name:      types.StringValue(p.Name),
		Preset:    optionalString(p.Preset),
		CPU:       spell[quantity](p.CPU),
		Memory:    spell[quantity](p.Memory),
		Pods:      types.Int64Value(int64(p.Pods)),
		Storage:   spell[quantity](p.Storage),
		MaxVolume: spell[quantity](p.MaxVolume),
		ID:        types.StringValue(p.Name),
		Ref:       types.StringValue(string(p.Ref())),
	}
	if m.Preset.IsNull() {
		m.Preset = prior.Preset
	}
	if m.Preset.IsNull() {
		m.Preset = types.StringValue(nearestPreset(p))
	}
	m.Jobs = encodeObject(jobsTypes, &jobsModel{
		CPU: spell[quantity](p.Jobs.CPU), Memory: spell[quantity](p.Jobs.Memory), Pods: types.Int64Value(int64(p.Jobs.Pods)),
	})
	m.Container = encodeObject(containerTypes, &containerModel{
		RequestCPU:    spell[quantity](p.Container.RequestCPU),
		RequestMemory: spell[quantity](p.Container.RequestMemory),
		LimitCPU:      spell[quantity](p.Container.LimitCPU),
		LimitMemory:   spell[quantity](p.Container.LimitMemory),
	})
	return m
}

// planLeaf is one value of a plan: where it is in the model, and what a preset has there.
type planLeaf struct {
	at     path.Path
	value  func(planModel) attr.Value
	preset func(spec.Plan) attr.Value
}

func planLeaves() []planLeaf {
	from := func(p spec.Plan) planModel { return planModelFrom(p, planModel{}) }
	leaf := func(at path.Path, value func(planModel) attr.Value) planLeaf {
		return planLeaf{at: at, value: value, preset: func(p spec.Plan) attr.Value { return value(from(p)) }}
	}
	within := func(object func(planModel) types.Object, parent, name string) planLeaf {
		return leaf(path.Root(parent).AtName(name), func(m planModel) attr.Value { return object(m).Attributes()[name] })
	}
	leaves := []planLeaf{
		leaf(path.Root("cpu"), func(m planModel) attr.Value { return m.CPU }),
		leaf(path.Root("memory"), func(m planModel) attr.Value { return m.Memory }),
		leaf(path.Root("pods"), func(m planModel) attr.Value { return m.Pods }),
		leaf(path.Root("storage"), func(m planModel) attr.Value { return m.Storage }),
		leaf(path.Root("max_volume"), func(m planModel) attr.Value { return m.MaxVolume }),
	}
	for _, name := range []string{"cpu", "memory", "pods"} {
		leaves = append(leaves, within(func(m planModel) types.Object { return m.Jobs }, "jobs", name))
	}
	for _, name := range []string{"request_cpu", "request_memory", "limit_cpu", "limit_memory"} {
		leaves = append(leaves, within(func(m planModel) types.Object { return m.Container }, "container", name))
	}
	return leaves
}

// nearestPreset is the preset that shares most values with p, the default one among equals.
func nearestPreset(p spec.Plan) string {
	best, most := spec.Standard, -1
	for _, name := range append([]string{spec.Standard}, spec.PresetNames()...) {
		preset, _ := spec.Preset(name)
		if shared := sharedValues(p, preset); shared > most {
			best, most = name, shared
		}
	}
	return best
}

func sharedValues(a, b spec.Plan) int {
	shared := 0
	for _, pair := range [][2]string{
		{a.CPU, b.CPU}, {a.Memory, b.Memory}, {a.Storage, b.Storage}, {a.MaxVolume, b.MaxVolume}, {a.Jobs.CPU, b.Jobs.CPU}, {a.Jobs.Memory, b.Jobs.Memory},
		{a.Container.RequestCPU, b.Container.RequestCPU}, {a.Container.RequestMemory, b.Container.RequestMemory},
		{a.Container.LimitCPU, b.Container.LimitCPU}, {a.Container.LimitMemory, b.Container.LimitMemory},
	} {
		if (quantity{}).same(pair[0], pair[1]) {
			shared++
		}
	}
	if a.Pods == b.Pods {
		shared++
	}
	if a.Jobs.Pods == b.Jobs.Pods {
		shared++
	}
	return shared
}
