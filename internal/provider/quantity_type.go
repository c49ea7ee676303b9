package provider

import (
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// quantity compares Kubernetes quantities by value: "1000m" is "1", "1Gi" is "1024Mi".
type quantity struct{}

type (
	quantityType  = spellingType[quantity]
	quantityValue = spelling[quantity]
)

func (quantity) same(a, b string) bool {
	qa, errA := spec.ParseQuantity(a)
	qb, errB := spec.ParseQuantity(b)
	return errA == nil && errB == nil && qa.Cmp(qb) == 0
}
