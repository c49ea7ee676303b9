package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var _ function.Function = planCapacityFunction{}

func newPlanCapacityFunction() function.Function { return planCapacityFunction{} }

type planCapacityFunction struct{}

type capacityModel struct {
	CPU          types.String  `tfsdk:"cpu"`
	Memory       types.String  `tfsdk:"memory"`
	Storage      types.String  `tfsdk:"storage"`
	Pods         types.Int64   `tfsdk:"pods"`
	CPUCores     types.Float64 `tfsdk:"cpu_cores"`
	MemoryBytes  types.Int64   `tfsdk:"memory_bytes"`
	StorageBytes types.Int64   `tfsdk:"storage_bytes"`
}

var capacityTypes = map[string]attr.Type{
	"cpu": types.StringType, "memory": types.StringType, "storage": types.StringType, "pods": types.Int64Type,
	"cpu_cores": types.Float64Type, "memory_bytes": types.Int64Type, "storage_bytes": types.Int64Type,
}

// Metadata implements [function.Function].
func (planCapacityFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "plan_capacity"
}

// Definition implements [function.Function].
func (planCapacityFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "What stores of these plans may use together",
		MarkdownDescription: "Sums what stores may use, the separate room of their Jobs included: what a node, or all nodes together, must have so that every store can use its plan in full. What Kubernetes itself needs comes on top.\n\n" +
			"Returns an object of Kubernetes quantities in their canonical spelling (`cpu` in cores, `memory` and `storage` in bytes), the number of `pods`, and the same as numbers for comparisons: `cpu_cores`, `memory_bytes` and `storage_bytes`.",
		Parameters: []function.Parameter{
			function.ListParameter{
				Name: "plans", ElementType: types.StringType,
				MarkdownDescription: "One plan for each store: the name of a preset (`basic`, `standard`, `premium`) or `ref` of a `storeplatform_plan`. A plan that several stores have is in the list several times.",
			},
		},
		Return: function.ObjectReturn{AttributeTypes: capacityTypes},
	}
}

// Run implements [function.Function].
func (planCapacityFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var plans []types.String
	if resp.Error = req.Arguments.Get(ctx, &plans); resp.Error != nil {
		return
	}
	refs := make([]spec.PlanRef, len(plans))
	for i, plan := range plans {
		refs[i] = spec.PlanRef(plan.ValueString())
	}
	sum, err := spec.CapacityOf(refs)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, capacityModel{
		CPU:          types.StringValue(sum.CPU.String()),
		Memory:       types.StringValue(sum.Memory.String()),
		Storage:      types.StringValue(sum.Storage.String()),
		Pods:         types.Int64Value(int64(sum.Pods)),
		CPUCores:     types.Float64Value(float64(sum.CPU.MilliValue()) / 1000),
		MemoryBytes:  types.Int64Value(sum.Memory.Value()),
		StorageBytes: types.Int64Value(sum.Storage.Value()),
	})
}
