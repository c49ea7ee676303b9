package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestCapacityOf(t *testing.T) {
	gold := spec.Plan{Name: "gold", CPU: "2500m", Memory: "6Gi", Pods: 12, Storage: "500G", Jobs: spec.JobRoom{CPU: "0.5", Memory: "512Mi", Pods: 3}}
	for name, tc := range map[string]struct {
		reason string
		plans  []spec.PlanRef
		want   []string // CPU, memory, storage
		pods   int
	}{
		"none":      {"a node of a fleet without stores", nil, []string{"0", "0", "0"}, 0},
		"one":       {"Jobs have room of their own beside the shop", []spec.PlanRef{spec.Standard}, []string{"3", "5Gi", "50Gi"}, 15},
		"fractions": {"thousandths add up to cores", []spec.PlanRef{spec.Basic, spec.Basic, spec.Basic, spec.Basic, spec.Basic}, []string{"13", "15Gi", "100Gi"}, 65},
		"mixed":     {"plans of one's own beside presets", []spec.PlanRef{spec.Premium, gold.Ref()}, []string{"9", "16896Mi", "697996450Ki"}, 45},
	} {
		t.Run(name, func(t *testing.T) {
			sum, err := spec.CapacityOf(tc.plans)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, []string{sum.CPU.String(), sum.Memory.String(), sum.Storage.String()}); diff != "" || sum.Pods != tc.pods {
				t.Errorf("%s: %d pods, want %d, (-want +got)\n%s", tc.reason, sum.Pods, tc.pods, diff)
			}
		})
	}
	_, err := spec.CapacityOf([]spec.PlanRef{"huge", spec.Basic, "gold@cpu=none"})
	wrong := spec.FieldErrorsOf(err)
	if len(wrong) != 2 || wrong[0].Path != "plans[0]" || wrong[1].Path != "plans[2]" || !strings.Contains(wrong[0].Allowed, "basic, standard, premium") {
		t.Errorf("every wrong plan is named with its place, got %v", err)
	}
}
