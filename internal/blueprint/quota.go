package blueprint

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Counts of objects that a store may have. They bound mistakes and abuse, and leave room for what a store grows: there are
// five revisions as Secrets, and each domain takes an Ingress, a Secret for its certificate and, while an ACME challenge is pending,
// one more Ingress.
const (
	maxIngresses  = 100
	maxSecrets    = 150
	maxConfigMaps = 50
	maxVolumes    = 10
	maxJobs       = 50 // finished runs that a CronJob keeps count too
	maxCronJobs   = 10
)

// quotas returns the three quotas of a store. The scopes tell pods apart by activeDeadlineSeconds of the pod itself, not of
// its Job (kubernetes/kubernetes#135415), so that Jobs and the shop can never take each other's room. Scoped quotas count
// pods and compute only; the counts of objects need one without a scope.
func quotas(fleet string, s spec.Store, plan spec.Plan) []*corev1ac.ResourceQuotaApplyConfiguration {
	quota := func(name string, hard corev1.ResourceList, scopes ...corev1.ResourceQuotaScope) *corev1ac.ResourceQuotaApplyConfiguration {
		return corev1ac.ResourceQuota(name, s.Namespace()).
			WithLabels(objectLabels(fleet, s)).
			WithSpec(corev1ac.ResourceQuotaSpec().WithHard(hard).WithScopes(scopes...))
	}
	return []*corev1ac.ResourceQuotaApplyConfiguration{
		quota("services", computeRoom(plan.CPU, plan.Memory, plan.Pods), corev1.ResourceQuotaScopeNotTerminating),
		quota("jobs", computeRoom(plan.Jobs.CPU, plan.Jobs.Memory, plan.Jobs.Pods), corev1.ResourceQuotaScopeTerminating),
		quota("objects", objectRoom(plan)),
	}
}

func computeRoom(cpu, memory string, pods int) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourcePods:           count(pods),
		corev1.ResourceRequestsCPU:    quantity(cpu),
		corev1.ResourceRequestsMemory: quantity(memory),
		corev1.ResourceLimitsCPU:      quantity(cpu),
		corev1.ResourceLimitsMemory:   quantity(memory),
	}
}

func objectRoom(plan spec.Plan) corev1.ResourceList {
	return corev1.ResourceList{
		"count/ingresses.networking.k8s.io":   count(maxIngresses),
		"count/jobs.batch":                    count(maxJobs),
		"count/cronjobs.batch":                count(maxCronJobs),
		corev1.ResourceServicesLoadBalancers:  count(0), // a shop is reached through the ingress controller alone
		corev1.ResourceServicesNodePorts:      count(0),
		corev1.ResourceSecrets:                count(maxSecrets),
		corev1.ResourceConfigMaps:             count(maxConfigMaps),
		corev1.ResourcePersistentVolumeClaims: count(maxVolumes),
		corev1.ResourceRequestsStorage:        quantity(plan.Storage),
	}
}

// limits gives room to containers that ask for none, which the quotas would refuse, and bounds a single volume.
func limits(fleet string, s spec.Store, plan spec.Plan) *corev1ac.LimitRangeApplyConfiguration {
	return corev1ac.LimitRange("defaults", s.Namespace()).
		WithLabels(objectLabels(fleet, s)).
		WithSpec(corev1ac.LimitRangeSpec().WithLimits(
			corev1ac.LimitRangeItem().
				WithType(corev1.LimitTypeContainer).
				WithDefault(compute(plan.Container.LimitCPU, plan.Container.LimitMemory)).
				WithDefaultRequest(compute(plan.Container.RequestCPU, plan.Container.RequestMemory)),
			corev1ac.LimitRangeItem().
				WithType(corev1.LimitTypePersistentVolumeClaim).
				WithMax(corev1.ResourceList{corev1.ResourceStorage: quantity(plan.MaxVolume)}),
		))
}

func compute(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: quantity(cpu), corev1.ResourceMemory: quantity(memory)}
}

// quantity parses a quantity of a validated specification. It marshals in the canonical form that the API server stores.
func quantity(s string) resource.Quantity { return resource.MustParse(s) }

func count(n int) resource.Quantity { return *resource.NewQuantity(int64(n), resource.DecimalSI) }
