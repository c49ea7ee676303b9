package chart_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
)

// room is what pods ask of a quota.
type room struct {
	pods                      int
	requestsCPU, limitsCPU    resource.Quantity
	requestsMemory, limitsMem resource.Quantity
}

func (r *room) add(spec corev1.PodSpec, count int) {
	for range count {
		r.pods++
		r.requestsCPU.Add(effective(spec, corev1.ResourceCPU, requests))
		r.limitsCPU.Add(effective(spec, corev1.ResourceCPU, limits))
		r.requestsMemory.Add(effective(spec, corev1.ResourceMemory, requests))
		r.limitsMem.Add(effective(spec, corev1.ResourceMemory, limits))
	}
}

func (r *room) strings() map[string]string {
	return map[string]string{
		"requests.cpu": r.requestsCPU.String(), "limits.cpu": r.limitsCPU.String(),
		"requests.memory": r.requestsMemory.String(), "limits.memory": r.limitsMem.String(),
	}
}

func requests(c corev1.Container) corev1.ResourceList { return c.Resources.Requests }
func limits(c corev1.Container) corev1.ResourceList   { return c.Resources.Limits }

// effective is what a pod counts for: the sum of its containers, or its largest init container if that is more.
func effective(spec corev1.PodSpec, name corev1.ResourceName, of func(corev1.Container) corev1.ResourceList) resource.Quantity {
	var sum resource.Quantity
	for _, c := range spec.Containers {
		sum.Add(of(c)[name])
	}
	for _, c := range spec.InitContainers {
		if q := of(c)[name]; q.Cmp(sum) > 0 {
			sum = q.DeepCopy()
		}
	}
	return sum
}

// TestRoom sums what every store runs at its busiest and compares it with what the specification promised at plan time and with
// the quotas that the API server will enforce.
func TestRoom(t *testing.T) {
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			b := blueprintOf(t, s)
			var services, jobs room
			for _, w := range workloads(t, render(t, b.Values)) {
				for _, c := range containersOf(w.template.Spec) {
					for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
						if list.Cpu().IsZero() || list.Memory().IsZero() {
							t.Errorf("%s: container %s states no CPU or memory, so the quota refuses it", w.ref, c.Name)
						}
					}
				}
				if w.job != nil {
					jobs.add(w.template.Spec, 1)
					continue
				}
				services.add(w.template.Spec, w.replicas+w.surge)
			}

			var promised room
			for _, c := range s.WithDefaults().Engine.Components() {
				promised.add(corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(c.RequestCPU), corev1.ResourceMemory: resource.MustParse(c.RequestMemory)},
					Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(c.LimitCPU), corev1.ResourceMemory: resource.MustParse(c.LimitMemory)},
				}}}}, c.Replicas+c.Surge)
			}
			if diff := cmp.Diff(promised.strings(), services.strings()); diff != "" || promised.pods != services.pods {
				t.Errorf("the chart runs %d pods, the specification says %d (-specification +chart):\n%s", services.pods, promised.pods, diff)
			}
			checkFits(t, b, "services", services, 1) // and cert-manager's solver
			checkFits(t, b, "jobs", jobs, 1)         // and a backup
		})
	}
}

// checkFits compares with a quota; spare pods stay free.
func checkFits(t *testing.T, b *blueprint.Blueprint, quota string, used room, spare int) {
	t.Helper()
	for _, o := range b.Guardrails {
		if o.GetKind() != "ResourceQuota" || o.GetName() != quota {
			continue
		}
		hard := typed[corev1.ResourceQuota](t, o).Spec.Hard
		for name, q := range used.strings() {
			asked, limit := resource.MustParse(q), hard[corev1.ResourceName(name)]
			if asked.Cmp(limit) > 0 {
				t.Errorf("quota %s: %s is %s, asked for are %s", quota, name, limit.String(), q)
			}
		}
		if pods := hard[corev1.ResourcePods]; int64(used.pods+spare) > pods.Value() {
			t.Errorf("quota %s: %s pods, asked for are %d and %d to spare", quota, pods.String(), used.pods, spare)
		}
		return
	}
	t.Errorf("no quota %s", quota)
}
