package storekit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// randomStore makes some valid store; the same numbers make the same one.
func randomStore(random *rand.Rand, name string) spec.Store {
	pick := func(choices ...string) string { return choices[random.IntN(len(choices))] }
	s := spec.Store{
		Name: name, Owner: pick("team", "acme", "a.b_c"), AllowDeletion: true, Retention: spec.DeleteData,
		Plan:    spec.PlanRef(pick(spec.Standard, spec.Premium, "gold@cpu=6,memory=12Gi")),
		Host:    pick("", name+".example.test", "WWW."+name+".example.test"),
		Storage: spec.Storage{Content: pick("", "1Gi", "2048Mi"), Database: pick("", "1Gi")},
		Egress:  spec.Egress(pick("", "none", "web")),
	}
	switch random.IntN(3) {
	case 0:
		engine := spec.WooCommerce{Title: pick("Acme", "Ünï \"cödé\" & 'quotes'", "{{ .Values }}", "1e6"), AdminEmail: "shop@acme.example", Locale: pick("", "de_DE")}
		if random.IntN(2) == 0 {
			engine.SMTP = &spec.SMTP{Host: "mail.example.test", Port: 587, User: pick("", "shop"), Password: "p", From: "shop@acme.example"}
		}
		s.Engine = engine
	case 1:
		s.Engine = spec.Medusa{
			Image: pick("registry.example.com/acme:1.0.0", "registry.example.com/acme/medusa:2.21.2"), AdminEmail: "shop@acme.example",
			Cache: random.IntN(2) == 0, Worker: random.IntN(2) == 0, CORS: [][]string{nil, {"https://front.example.test"}}[random.IntN(2)],
		}
	default:
		s.Engine = spec.Chart{Source: "testdata/chart", Service: "front", Port: 80, Target: 8080, Values: map[string]any{"replicas": random.IntN(2) + 1, "nested": map[string]any{"a": 1000000, "b": []any{"x", true}}}}
	}
	if _, err := s.Plan.Plan(); err != nil {
		s.Plan = spec.Premium
	}
	return s
}

// The same store gives the same objects whoever renders it, however often, and whether the cluster is known or not.
func TestOutlineIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	var env storekit.Environment
	if err := json.Unmarshal([]byte(`{"IngressClass":"traefik","IngressPods":{"Namespace":"kube-system","Labels":{"app.kubernetes.io/name":"traefik"}},
		"NodeAddresses":["192.0.2.10","198.51.100.7"],"ClusterPrefixes":["10.42.0.0/24","10.43.0.0/16"]}`), &env); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(60) {
		s := randomStore(rand.New(rand.NewPCG(seed, 1)), "acme")
		if err := s.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		outline := func(s spec.Store, env *storekit.Environment) *storekit.Outline {
			t.Helper()
			o, err := storekit.NewRenderer().Outline(context.Background(), "f", s, env)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return o
		}
		known := outline(s, &env)
		if diff := cmp.Diff(known.Objects, outline(s, &env).Objects); diff != "" {
			t.Errorf("seed %d: twice (-first +second)\n%s", seed, diff)
		}
		recorded := encoded(t, s)
		if diff := cmp.Diff(known.Objects, outline(recorded, &env).Objects); diff != "" {
			t.Errorf("seed %d: from its record (-given +recorded)\n%s", seed, diff)
		}
		blind := outline(s, nil)
		for key, digest := range known.Objects {
			if slices.Contains(blind.Deferred, key) == (blind.Objects[key] == digest) {
				t.Errorf("seed %d: %s is %q with the cluster and %q without (deferred: %v)", seed, key, digest, blind.Objects[key], blind.Deferred)
			}
		}
	}
}

// encoded is a store after it was recorded and read back.
func encoded(t *testing.T, s spec.Store) spec.Store {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out spec.Store
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What a preview shows is what an apply makes, byte by byte, for any store.
func TestPreviewIsWhatUpMakes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for seed := range uint64(6) {
		s := randomStore(rand.New(rand.NewPCG(seed, 2)), fmt.Sprintf("%s-%d", h.name, seed))
		preview, err := h.fleet.Preview(t.Context(), program(s), storekit.NoPrune())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		result, err := h.fleet.Up(t.Context(), preview)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		state := result.Stores[s.Name]
		if diff := cmp.Diff(preview.Steps[0].Objects, state.Objects); diff != "" {
			t.Errorf("seed %d: (-preview +made)\n%s", seed, diff)
		}
		outline, err := storekit.NewRenderer().Outline(t.Context(), h.name, s, &state.Environment)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(outline.Objects, state.Objects); diff != "" {
			t.Errorf("seed %d: (-outline +made)\n%s", seed, diff)
		}
		if again, err := h.fleet.Preview(t.Context(), program(s), storekit.NoPrune()); err != nil || !again.Empty() {
			t.Errorf("seed %d: error %v, second preview:\n%s", seed, err, again)
		}
		if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
