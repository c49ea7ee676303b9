package storekit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// small makes the API server answer lists in pages of two, and counts them.
func small(config *rest.Config, pages *atomic.Int32) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if query := req.URL.Query(); query.Has("limit") {
				pages.Add(1)
				req = req.Clone(req.Context())
				query.Set("limit", "2")
				req.URL.RawQuery = query.Encode()
			}
			return next.RoundTrip(req)
		})
	})
	return out
}

func TestSelect(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var all []string
	for i := range 5 {
		name := fmt.Sprintf("%s-%d", h.name, i)
		all = append(all, name)
		h.namespace(t, name, map[string]string{
			"storeplatform.io/fleet": h.name, "storeplatform.io/store": name, "storeplatform.io/owner": fmt.Sprintf("team-%d", i%2),
			"storeplatform.io/plan": "gold", "storeplatform.io/engine": []string{"medusa", "chart", "woocommerce", "medusa", "chart"}[i],
		})
	}
	// A copy of our labels is no store.
	copied := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: h.name + "-copy", Labels: map[string]string{"storeplatform.io/fleet": h.name, "storeplatform.io/store": all[0], "storeplatform.io/owner": "team-0"},
	}}
	if _, err := h.cluster.Client().CoreV1().Namespaces().Create(t.Context(), copied, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var pages atomic.Int32
	fleet := h.connect(t, small(h.config, &pages))

	for name, tc := range map[string]struct {
		reason string
		filter storekit.StoreFilter
		want   []string
	}{
		"all":     {"every page is read", storekit.StoreFilter{}, all},
		"owner":   {"the stores of one customer", storekit.StoreFilter{Owner: "team-0"}, []string{all[0], all[2], all[4]}},
		"engine":  {"what an upgrade of Medusa touches", storekit.StoreFilter{Engine: spec.KindMedusa}, []string{all[0], all[3]}},
		"both":    {"every field counts", storekit.StoreFilter{Owner: "team-1", Engine: spec.KindChart, Plan: "gold"}, []string{all[1]}},
		"nothing": {"a plan that nobody has", storekit.StoreFilter{Plan: "silver"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for name, err := range fleet.Select(t.Context(), tc.filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tc.reason, diff)
			}
		})
	}

	pages.Store(0)
	next, stop := iter.Pull2(fleet.Names(t.Context()))
	_, err, _ := next()
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if pages.Load() != 1 {
		t.Errorf("a consumer that takes one name made the fleet read %d pages", pages.Load())
	}
	for _, err := range fleet.Select(t.Context(), storekit.StoreFilter{Owner: "a,b"}) {
		if len(spec.FieldErrorsOf(err)) != 1 {
			t.Errorf("an owner that is no label would be read as a selector of its own: got %v", err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	for _, err := range fleet.Names(canceled) {
		cancel()
		errs = append(errs, err)
	}
	if last := errs[len(errs)-1]; len(errs) != 3 || !errors.Is(last, context.Canceled) {
		t.Errorf("an error is the last thing that comes, after the page that was read: got %v", errs)
	}
}

func TestAllReadsAsItIsTaken(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var stores []spec.Store
	for i := range 3 {
		stores = append(stores, h.woocommerce(fmt.Sprint("all-", i)))
	}
	h.up(t, program(stores...))
	var pages atomic.Int32
	fleet := h.connect(t, small(h.config, &pages))
	var got []string
	for state, err := range fleet.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, state.Spec.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{stores[0].Name, stores[1].Name, stores[2].Name}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	whole := pages.Swap(0)
	next, stop := iter.Pull2(fleet.All(t.Context()))
	_, err, _ := next()
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if some := pages.Load(); some > whole/2 {
		t.Errorf("one store of three was taken, and %d of %d lists were read", some, whole)
	}
}
