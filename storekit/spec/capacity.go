package spec

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Capacity is what stores may use together.
type Capacity struct {
	CPU     resource.Quantity // cores
	Memory  resource.Quantity // bytes
	Storage resource.Quantity // volume requests, in bytes
	Pods    int
}

// CapacityOf sums what stores of these plans may use, the separate room of their Jobs included: one plan for each store. Every
// wrong reference is reported as [FieldErrors].
func CapacityOf(plans []PlanRef) (Capacity, error) {
	var sum Capacity
	var errs FieldErrors
	for i, ref := range plans {
		plan, err := ref.Plan()
		if err != nil {
			errs.add(fmt.Sprintf("plans[%d]", i), string(ref), "%v", err)
			continue
		}
		for _, one := range []struct {
			total *resource.Quantity
			part  string
		}{
			{&sum.CPU, plan.CPU}, {&sum.CPU, plan.Jobs.CPU},
			{&sum.Memory, plan.Memory}, {&sum.Memory, plan.Jobs.Memory},
			{&sum.Storage, plan.Storage},
		} {
			one.total.Add(resource.MustParse(one.part))
		}
		sum.Pods += plan.Pods + plan.Jobs.Pods
	}
	return sum, errs.err()
}
