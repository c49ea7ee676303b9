package storekit_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// A store that is created again while it is there is taken over as it is. From then on it is another one to whoever created it before.
func TestIncarnation(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("twice")
	s.Engine = spec.Chart{Source: "testdata/chart", Service: "front", Port: 80, Target: 8080}
	as := func(id string) *storekit.Program {
		p := new(storekit.Program)
		p.AddStore(s).Incarnation = id
		return p
	}
	expect := func(want storekit.Action, id string) {
		t.Helper()
		if got := h.preview(t, as(id)).Steps[0].Action; got != want {
			t.Errorf("a program with incarnation %q: want %s, got %s", id, want, got)
		}
	}
	first := h.up(t, as("first")).Stores[s.Name]
	expect(storekit.None, "first")
	expect(storekit.None, "")
	expect(storekit.Update, "second")
	second := h.up(t, as("second")).Stores[s.Name]
	if diff := cmp.Diff([]any{"second", first.UID, first.Release.Revision}, []any{second.Incarnation, second.UID, second.Release.Revision}); diff != "" {
		t.Errorf("incarnation, namespace and revision (-want +got):\n%s", diff)
	}
	s.Owner = "other"
	if got := h.up(t, as("")).Stores[s.Name].Incarnation; got != "second" {
		t.Errorf("an update of whoever does not keep track makes it %q", got)
	}

	only := storekit.Only(storekit.StoreTarget(s.Name))
	if _, err := h.fleet.Destroy(t.Context(), only, storekit.OnlyIncarnation("first")); !errors.Is(err, storekit.ErrCreatedAgain) {
		t.Errorf("whoever created it first may delete it: %v", err)
	}
	if _, err := h.fleet.Get(t.Context(), s.Name); err != nil {
		t.Fatalf("it is gone: %v", err)
	}
	if _, err := h.fleet.Destroy(t.Context(), only, storekit.OnlyIncarnation("second")); err != nil {
		t.Error(err)
	}
	if _, err := h.fleet.Get(t.Context(), s.Name); !errors.Is(err, storekit.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
