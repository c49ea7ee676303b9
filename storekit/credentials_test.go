package storekit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	given, generated, medusa, chart := h.woocommerce("given"), h.woocommerce("generated"), h.woocommerce("medusa"), h.woocommerce("chart")
	given.Engine = spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example", AdminUser: "boss", AdminPassword: "chosen"}
	generated.Host = ""
	medusa.Engine = spec.Medusa{Image: "registry.example.com/acme/medusa:2.21.2", AdminEmail: "shop@acme.example"}
	chart.Engine = spec.Chart{Source: "testdata/chart", Service: "front", Port: 80, Target: 8080}
	h.up(t, program(given, generated, medusa, chart))
	secrets := h.cluster.Client().CoreV1().Secrets
	password := func(s spec.Store) spec.Secret {
		secret, err := secrets(s.Namespace()).Get(t.Context(), "admin", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return spec.Secret(secret.Data["password"])
	}
	h.namespace(t, h.name+"-foreign", nil)
	h.namespace(t, h.name+"-begun", map[string]string{"storeplatform.io/fleet": h.name, "storeplatform.io/store": h.name + "-begun"})

	for name, tc := range map[string]struct {
		reason string
		store  string
		want   *storekit.Credentials
		err    error
		says   string
	}{
		"given":     {"what the user chose", given.Name, &storekit.Credentials{User: "boss", Password: "chosen", URL: "https://" + given.Host + "/wp-admin/"}, nil, ""},
		"generated": {"without a host there is no page", generated.Name, &storekit.Credentials{User: "admin", Password: password(generated)}, nil, ""},
		"medusa":    {"its users log in with their address", medusa.Name, &storekit.Credentials{User: "shop@acme.example", Password: password(medusa), URL: "https://" + medusa.Host + "/app"}, nil, ""},
		"chart":     {"only the chart knows its logins", chart.Name, nil, storekit.ErrNoAdmin, "chart of its own"},
		"none":      {"a name that nobody has", h.name + "-none", nil, storekit.ErrNotFound, h.name + "-none"},
		"foreign":   {"what others own is not looked into", h.name + "-foreign", nil, storekit.ErrNotOwned, "store-" + h.name + "-foreign"},
		"begun":     {"a creation that was killed at once", h.name + "-begun", nil, storekit.ErrNoAdmin, "creation"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := h.fleet.Credentials(t.Context(), tc.store)
			if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%s: want error %v that says %q, got %v", tc.reason, tc.err, tc.says, err)
			}
			if !cmp.Equal(tc.want, got) { // a difference would show a password
				t.Errorf("%s: want user and URL %+v, got %+v", tc.reason, tc.want, got)
			}
			if got != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", got, *got, got), got.Password.Reveal()) {
				t.Errorf("%s: printed credentials show the password", tc.reason)
			}
		})
	}

	if _, err := secrets(given.Namespace()).Patch(t.Context(), "admin", types.MergePatchType, []byte(`{"data":{"password":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := secrets(generated.Namespace()).Delete(t.Context(), "admin", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []spec.Store{given, generated} {
		if _, err := h.fleet.Credentials(t.Context(), s.Name); !errors.Is(err, storekit.ErrNoAdmin) || !strings.Contains(err.Error(), "apply again") {
			t.Errorf("a password that somebody removed: want ErrNoAdmin with what to do, got %v", err)
		}
	}
}

// namespace makes the namespace of a store with just these labels.
func (h *harness) namespace(t *testing.T, store string, labels map[string]string) {
	t.Helper()
	namespaces := h.cluster.Client().CoreV1().Namespaces()
	name := spec.NamespaceOf(store)
	if _, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if labels == nil {
		t.Cleanup(func() {
			// The test's own context has ended.
			if err := namespaces.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}
