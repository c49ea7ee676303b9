package storekit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestPlanIsReadAsItWasGiven(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	given := spec.Plan{Name: "gold", Preset: spec.Premium, CPU: "2000m", Jobs: spec.JobRoom{Memory: "3072Mi"}}
	p := new(storekit.Program)
	p.AddPlan(given)
	h.up(t, p)
	read := func() spec.Plan {
		t.Helper()
		state, err := h.fleet.Plan(t.Context(), "gold")
		if err != nil {
			t.Fatal(err)
		}
		return state.Plan
	}
	if diff := cmp.Diff(given.WithDefaults(), read()); diff != "" {
		t.Errorf("preset and spellings come back (-want +got)\n%s", diff)
	}
	respelt := new(storekit.Program)
	respelt.AddPlan(spec.Plan{Name: "gold", Preset: spec.Premium, CPU: "2", Jobs: spec.JobRoom{Memory: "3Gi"}})
	if preview := h.preview(t, respelt); !preview.Empty() {
		t.Errorf("another spelling is no change:\n%s", preview)
	}

	// What an early version recorded.
	record := "plan." + h.name + ".gold"
	patch := []byte(`[{"op": "remove", "path": "/data/preset"}]`)
	if _, err := h.cluster.Client().CoreV1().ConfigMaps("storeplatform-system").Patch(t.Context(), record, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	want := given.WithDefaults()
	want.Preset = ""
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("a record without a preset (-want +got)\n%s", diff)
	}
	preview := h.preview(t, p)
	if diff := cmp.Diff([]string{"preset: none -> premium"}, preview.Steps[0].Why); diff != "" {
		t.Errorf("the preset is recorded by the next Up (-want +got)\n%s", diff)
	}
	h.up(t, p)
	if diff := cmp.Diff(given.WithDefaults(), read()); diff != "" {
		t.Errorf("preset and spellings come back (-want +got)\n%s", diff)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.PlanTarget("gold"))); err != nil {
		t.Error(err)
	}
}
