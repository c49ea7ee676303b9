package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const planDescription = `A plan: the size of stores, as a quota and limits. Stores refer to it by ` + "`ref`" + `, which holds the whole plan: a changed plan reaches its stores in the same apply.

Values that are not set come from ` + "`preset`" + `. Quantities are Kubernetes quantities and compare by value: ` + "`1000m`" + ` is ` + "`1`" + `.

A plan cannot be deleted while stores use it. To rename one, give it ` + "`lifecycle { create_before_destroy = true }`" + `.`

func planSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: planDescription,
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the plan, unique in the fleet: a DNS label. Changing it replaces the plan.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"preset": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Preset that gives every value which is not set: `basic`, `standard` or `premium`. Default: `standard`.",
			},
			"cpu":     planQuantity("CPU limit of all long-running pods of a store together, in cores.", func(p spec.Plan) string { return p.CPU }),
			"memory":  planQuantity("Memory limit of all long-running pods of a store together, in bytes.", func(p spec.Plan) string { return p.Memory }),
			"pods":    planCount("Number of long-running pods of a store.", func(p spec.Plan) int { return p.Pods }),
			"storage": planQuantity("Sum of the volumes of a store, in bytes.", func(p spec.Plan) string { return p.Storage }),
			"jobs": schema.SingleNestedAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Room of pods with a deadline (Jobs and CronJobs), beside the above: a shop at its limit cannot block a backup. Default: as in the preset.",
				Attributes: map[string]schema.Attribute{
					"cpu":    planQuantity("CPU limit of all pods of Jobs together, in cores.", func(p spec.Plan) string { return p.Jobs.CPU }),
					"memory": planQuantity("Memory limit of all pods of Jobs together, in bytes.", func(p spec.Plan) string { return p.Jobs.Memory }),
					"pods":   planCount("Number of pods of Jobs.", func(p spec.Plan) int { return p.Jobs.Pods }),
				},
			},
			"container": schema.SingleNestedAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "What a container gets that states no requests or limits of its own. Default: as in the preset.",
				Attributes: map[string]schema.Attribute{
					"request_cpu":    planQuantity("CPU request, in cores.", func(p spec.Plan) string { return p.Container.RequestCPU }),
					"request_memory": planQuantity("Memory request, in bytes.", func(p spec.Plan) string { return p.Container.RequestMemory }),
					"limit_cpu":      planQuantity("CPU limit, in cores.", func(p spec.Plan) string { return p.Container.LimitCPU }),
					"limit_memory":   planQuantity("Memory limit, in bytes.", func(p spec.Plan) string { return p.Container.LimitMemory }),
				},
			},
			"max_volume": planQuantity("Largest single volume of a store, in bytes.", func(p spec.Plan) string { return p.MaxVolume }),

			"id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "The name of the plan.",
			},
			"ref": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Reference of the plan for `plan` of a store: its name and its whole content, known at plan.",
			},
		},
	}
}

func planQuantity(description string, value func(spec.Plan) string) schema.StringAttribute {
	return schema.StringAttribute{
		CustomType: quantityType{}, Optional: true, Computed: true,
		MarkdownDescription: description + " " + presetValues(func(p spec.Plan) any { return value(p) }),
		PlanModifiers:       []planmodifier.String{keepSpelling[quantity]{}},
	}
}

func planCount(description string, value func(spec.Plan) int) schema.Int64Attribute {
	return schema.Int64Attribute{
		Optional: true, Computed: true,
		MarkdownDescription: description + " " + presetValues(func(p spec.Plan) any { return value(p) }),
	}
}

// presetValues tells the default of a value: what each preset has.
func presetValues(value func(spec.Plan) any) string {
	text := "Default: "
	for i, name := range spec.PresetNames() {
		preset, _ := spec.Preset(name)
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("`%v` (%s)", value(preset), name)
	}
	return text + "."
}
