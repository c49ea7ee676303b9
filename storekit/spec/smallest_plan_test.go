package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// The smallest plan that an engine accepts is the sum of its limits in a rolling update, and the largest of its Jobs beside them; one step less is refused before anything runs.
func TestSmallestPlan(t *testing.T) {
	medusa := spec.Medusa{Image: "registry.example.com/shop:1.0", AdminEmail: "a@acme.example"}
	whole := medusa
	whole.Cache, whole.Worker = true, true
	for name, tc := range map[string]struct {
		reason   string
		engine   spec.Engine
		smallest spec.Plan
		less     map[string]spec.Plan // what the refusal says -> what the plan has too little of
		presets  []spec.PlanRef       // those that the engine accepts
	}{
		"woocommerce": {
			"two web pods while one replaces the other, and the database", shop(),
			spec.Plan{Name: "own", CPU: "1500m", Memory: "1536Mi", Pods: 3, Jobs: spec.JobRoom{CPU: "500m", Memory: "512Mi"}},
			map[string]spec.Plan{
				"needs 1500m": {CPU: "1499m"}, "needs 1536Mi": {Memory: "1535Mi"}, "needs 3, ": {Pods: 2},
				"needs 500m": {Jobs: spec.JobRoom{CPU: "499m"}}, "needs 512Mi": {Jobs: spec.JobRoom{Memory: "511Mi"}},
			},
			[]spec.PlanRef{spec.Basic, spec.Standard, spec.Premium},
		},
		"medusa": {
			"two servers while one replaces the other, and the database", medusa,
			spec.Plan{Name: "own", CPU: "1200m", Memory: "2560Mi", Pods: 3, Jobs: spec.JobRoom{CPU: "500m", Memory: "768Mi"}},
			map[string]spec.Plan{
				"needs 1200m": {CPU: "1199m"}, "needs 2560Mi": {Memory: "2559Mi"}, "needs 3, ": {Pods: 2},
				"needs 500m": {Jobs: spec.JobRoom{CPU: "499m"}}, "needs 768Mi": {Jobs: spec.JobRoom{Memory: "767Mi"}},
			},
			[]spec.PlanRef{spec.Standard, spec.Premium},
		},
		"medusa with cache and worker": {
			"the worker and the cache beside them", whole,
			spec.Plan{Name: "own", CPU: "1700m", Memory: "3712Mi", Pods: 5, Jobs: spec.JobRoom{CPU: "500m", Memory: "768Mi"}},
			map[string]spec.Plan{
				"needs 1700m": {CPU: "1699m"}, "needs 3712Mi": {Memory: "3711Mi"}, "needs 5, ": {Pods: 4},
				"needs 500m": {Jobs: spec.JobRoom{CPU: "499m"}}, "needs 768Mi": {Jobs: spec.JobRoom{Memory: "767Mi"}},
			},
			[]spec.PlanRef{spec.Standard, spec.Premium},
		},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := func(plan spec.PlanRef) string {
				if err := store(func(s *spec.Store) { s.Engine, s.Plan = tc.engine, plan }).Validate(); err != nil {
					return err.Error()
				}
				return ""
			}
			if got := refusal(tc.smallest.Ref()); got != "" {
				t.Errorf("%s: the smallest plan is refused: %s", tc.reason, got)
			}
			for words, part := range tc.less {
				less := tc.smallest
				switch {
				case part.CPU != "":
					less.CPU = part.CPU
				case part.Memory != "":
					less.Memory = part.Memory
				case part.Jobs.CPU != "":
					less.Jobs.CPU = part.Jobs.CPU
				case part.Jobs.Memory != "":
					less.Jobs.Memory = part.Jobs.Memory
				default:
					less.Pods = part.Pods
				}
				if got := refusal(less.Ref()); !strings.Contains(got, words) || !strings.Contains(got, "Choose a larger plan") {
					t.Errorf("%s: with %+v it says %q, want %q and what to do", tc.reason, part, got, words)
				}
			}
			var accepted []spec.PlanRef
			for _, preset := range []spec.PlanRef{spec.Basic, spec.Standard, spec.Premium} {
				if refusal(preset) == "" {
					accepted = append(accepted, preset)
				}
			}
			if diff := cmp.Diff(tc.presets, accepted); diff != "" {
				t.Errorf("%s: presets (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}
