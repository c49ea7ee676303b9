package storekit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// applySecret is [Fleet.writeSecret] for those who need not know what came of it.
func (f *Fleet) applySecret(ctx context.Context, secret blueprint.Secret, fresh bool) error {
	_, err := f.writeSecret(ctx, secret, fresh)
	return err
}

// writeSecret writes a Secret: fixed and given values as they are, generated and initial ones as they were, or new where there are none.
// A given value that the specification leaves out stays as it was.
func (f *Fleet) writeSecret(ctx context.Context, secret blueprint.Secret, fresh bool) (*unstructured.Unstructured, error) {
	existing := map[string]any{}
	if !fresh {
		live, err := f.client.kube.Get(ctx, kube.RefOf(secret.Object))
		switch {
		case err == nil:
			if existing, _, err = unstructured.NestedMap(live.Object, "data"); err != nil {
				return nil, err
			}
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	data := make(map[string]any)
	for key, value := range secret.Fixed {
		data[key] = encode(value)
	}
	for key, value := range secret.Initial {
		if data[key] = existing[key]; data[key] == nil {
			data[key] = encode(value)
		}
	}
	for key, alphabet := range secret.Generated {
		if kept, ok := existing[key]; ok {
			data[key] = kept
			continue
		}
		value, err := generate(alphabet)
		if err != nil {
			return nil, err
		}
		data[key] = encode(value)
	}
	for key, value := range secret.Given {
		if value != "" {
			data[key] = encode(value.Reveal())
		} else if kept, ok := existing[key]; ok {
			data[key] = kept
		}
	}
	object := secret.Object.DeepCopy()
	object.Object["data"] = data
	return f.client.kube.Apply(ctx, object)
}

// missingKeys lists what a live Secret should have and has not, by name.
func missingKeys(secret blueprint.Secret, live *unstructured.Unstructured) []string {
	data, _, err := unstructured.NestedMap(live.Object, "data")
	if err != nil {
		data = nil
	}
	var missing []string
	for _, key := range slices.Sorted(maps.Keys(secret.Generated)) {
		if data[key] == nil {
			missing = append(missing, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Initial)) {
		if data[key] == nil {
			missing = append(missing, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Fixed)) {
		if data[key] != encode(secret.Fixed[key]) {
			missing = append(missing, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Given)) {
		if value := secret.Given[key]; value != "" && data[key] != encode(value.Reveal()) {
			missing = append(missing, key)
		}
	}
	return missing
}

// withKeys is a Secret as it should be, without its values.
func withKeys(secret blueprint.Secret) *unstructured.Unstructured {
	object := secret.Object.DeepCopy()
	data := make(map[string]any)
	for _, keys := range []iter.Seq[string]{maps.Keys(secret.Generated), maps.Keys(secret.Initial), maps.Keys(secret.Fixed), maps.Keys(secret.Given)} {
		for key := range keys {
			data[key] = ""
		}
	}
	object.Object["data"] = data
	return object
}

// fingerprints returns a keyed hash of each given value, by "Secret/name key".
func fingerprints(key []byte, secrets []blueprint.Secret) map[string]string {
	out := make(map[string]string)
	for _, secret := range secrets {
		for name, value := range secret.Given {
			if value == "" {
				continue
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(value.Reveal()))
			out[kube.RefOf(secret.Object).String()+" "+name] = hex.EncodeToString(mac.Sum(nil))
		}
	}
	return out
}

// givenAnew lists the given values that are not those of the last operation. A value that is no longer given stays as it was.
func givenAnew(record *ledger.Record, secrets []blueprint.Secret) []spec.Change {
	prints := fingerprints(record.Key, secrets)
	var changes []spec.Change
	for _, secret := range secrets {
		for _, name := range slices.Sorted(maps.Keys(secret.Given)) {
			hash, given := prints[kube.RefOf(secret.Object).String()+" "+name]
			if given && record.Given[kube.RefOf(secret.Object).String()+" "+name] != hash {
				changes = append(changes, spec.Change{Object: kube.RefOf(secret.Object), Path: "data." + name, Old: kube.Sensitive, New: kube.Sensitive})
			}
		}
	}
	return changes
}

func encode(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }

func generate(alphabet blueprint.Alphabet) (string, error) {
	out := make([]byte, alphabet.Length)
	bound := big.NewInt(int64(len(alphabet.Characters)))
	for i := range out {
		n, err := rand.Int(rand.Reader, bound)
		if err != nil {
			return "", fmt.Errorf("generate a secret: %w", err)
		}
		out[i] = alphabet.Characters[n.Int64()]
	}
	return string(out), nil
}
