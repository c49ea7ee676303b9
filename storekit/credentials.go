package storekit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// ErrNoAdmin is a store that has no administrator on record: its logins are the business of a chart of the user's own, or its
// creation has not got that far.
var ErrNoAdmin = errors.New("no administrator")

// Credentials are how the administrator of a store logs in.
type Credentials struct {
	User     string
	Password spec.Secret
	URL      string // of the admin's page; empty for a store without a host
}

// Credentials reads how the administrator of a store logs in: [ErrNotFound] when there is no such store, [ErrNotOwned] when its
// namespace is somebody else's, [ErrNoAdmin] when it has no administrator. The password is the one that the shop was given
// last: one that was changed in the shop itself is known to nobody else.
func (f *Fleet) Credentials(ctx context.Context, store string) (*Credentials, error) {
	o, err := f.look(ctx, store)
	if err != nil {
		return nil, err
	}
	switch {
	case o.namespace == nil:
		return nil, fmt.Errorf("store %q of fleet %q: %w", store, f.name, ErrNotFound)
	case !o.ours:
		return nil, f.notOwned(store, o.namespace)
	case o.record == nil:
		return nil, fmt.Errorf("the creation of store %q ended before it made one: %w", store, ErrNoAdmin)
	}
	page, ok := adminPage(o.record.Spec.Engine)
	if !ok {
		return nil, fmt.Errorf("store %q runs a chart of its own, which keeps its logins itself: %w", store, ErrNoAdmin)
	}
	secret, err := f.client.kube.Get(ctx, spec.ObjectRef{APIVersion: "v1", Kind: "Secret", Namespace: o.namespace.GetName(), Name: blueprint.AdminName})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("store %q has lost its Secret %s, apply again: it is made anew: %w", store, blueprint.AdminName, ErrNoAdmin)
	}
	if err != nil {
		return nil, err
	}
	user, err := secretValue(secret, "username")
	if err != nil {
		return nil, err
	}
	password, err := secretValue(secret, "password")
	if err != nil {
		return nil, err
	}
	out := &Credentials{User: user, Password: spec.Secret(password)}
	if host := o.record.Spec.Host; host != "" {
		out.URL = "https://" + host + page
	}
	return out, nil
}

// adminPage returns the path of the page where the administrator logs in, and whether the engine has one that we know.
func adminPage(engine spec.Engine) (string, bool) {
	switch engine.(type) {
	case spec.WooCommerce:
		return "/wp-admin/", true
	case spec.Medusa:
		return "/app", true
	default:
		return "", false
	}
}

// secretValue decodes one value of a live Secret. Its errors do not show it.
func secretValue(secret *unstructured.Unstructured, key string) (string, error) {
	encoded, _, err := unstructured.NestedString(secret.Object, "data", key)
	value, broken := base64.StdEncoding.DecodeString(encoded)
	if err != nil || broken != nil || len(value) == 0 {
		return "", fmt.Errorf("%s in namespace %s has no %s, apply again: it is set anew: %w", kube.RefOf(secret), secret.GetNamespace(), key, ErrNoAdmin)
	}
	return string(value), nil
}
