package provider

import "github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"

// planRef compares references of plans by what they resolve to: "standard" is the full reference of that preset.
type planRef struct{}

type (
	planRefType  = spellingType[planRef]
	planRefValue = spelling[planRef]
)

func (planRef) same(a, b string) bool {
	planA, errA := spec.PlanRef(a).Plan()
	planB, errB := spec.PlanRef(b).Plan()
	return errA == nil && errB == nil && planA.Ref() == planB.Ref()
}
