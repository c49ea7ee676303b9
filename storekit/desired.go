package storekit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// desired is a store as it should be, object by object.
type desired struct {
	spec      spec.Store
	blueprint *blueprint.Blueprint
	request   release.Request
	release   ledger.Release    // what the request is made from
	hooks     []string          // of a user's chart, which never run
	digests   map[string]string // of every object, by "Kind/name"
	charted   map[string]bool   // the objects that the chart makes
	scaled    map[string]bool   // the objects whose replicas an autoscaler of the chart decides about

	objects  map[string]*unstructured.Unstructured
	rendered bool // objects holds those of the chart too

	revision int                                          // of the release that has the chart's objects; 0 = they are rendered
	fetch    func() ([]*unstructured.Unstructured, error) // the objects of that revision
}

// desire says what a store should be. env is nil while the cluster is unknown. A chart whose inputs carry the recorded digest
// is not rendered until somebody asks for one of its objects.
func (c *charts) desire(ctx context.Context, fleet string, s spec.Store, env *blueprint.Environment, recorded *ledger.Record) (*desired, error) {
	d, err := unfilled(fleet, s, env)
	if err != nil {
		return nil, err
	}
	loaded, err := c.of(ctx, d.spec.Engine)
	if err != nil {
		return nil, err
	}
	d.request.Chart = loaded
	d.release = ledger.Release{Chart: loaded.Name, Version: loaded.Version, AppVersion: loaded.AppVersion}
	if d.release.Digest, err = releaseDigest(d.request); err != nil {
		return nil, err
	}
	if recorded != nil && recorded.Release.Digest == d.release.Digest {
		d.chartAsRecorded(recorded)
	} else if err := d.render(); err != nil {
		return nil, err
	} else if err := d.admitted(); err != nil {
		return nil, err
	}
	return d, d.addBlueprint()
}

// admitted refuses a user's chart with pods that the namespace of the store would not let in.
func (d *desired) admitted() error {
	own, isOwn := d.spec.Engine.(spec.Chart)
	if !isOwn {
		return nil
	}
	violations, err := blueprint.PodViolations(slices.Collect(maps.Values(d.objects)))
	switch {
	case err != nil:
		return spec.FieldErrors{{Path: "chart.source", Value: own.Source, Allowed: "cannot be installed: " + err.Error()}}
	case len(violations) == 0:
		return nil
	}
	slices.Sort(violations)
	return spec.FieldErrors{{
		Path: "chart.source", Value: own.Source,
		Allowed: "has pods that Pod Security refuses in the namespace of a store (level restricted):\n  " + strings.Join(violations, "\n  ") +
			"\nSet these fields in the chart or in its values",
	}}
}

// contained refuses a user's chart with objects outside of the namespace of the store: they would be no store's, and of no tenant.
func (f *Fleet) contained(d *desired) error {
	own, isOwn := d.spec.Engine.(spec.Chart)
	if !isOwn || !d.rendered {
		return nil
	}
	var outside []string
	for key, object := range d.objects {
		if !d.charted[key] {
			continue
		}
		kind, _, err := f.client.kube.Kind(object.GroupVersionKind())
		switch namespace := object.GetNamespace(); {
		case meta.IsNoMatchError(err):
			outside = append(outside, fmt.Sprintf("%s: the cluster does not serve %s", key, object.GetAPIVersion()))
		case err != nil:
			return err
		case !kind.Namespaced:
			outside = append(outside, key+": it belongs to the whole cluster")
		case namespace != "" && namespace != d.request.Namespace:
			outside = append(outside, fmt.Sprintf("%s: it is meant for namespace %s", key, namespace))
		}
	}
	if len(outside) == 0 {
		return nil
	}
	slices.Sort(outside)
	return spec.FieldErrors{{
		Path: "chart.source", Value: own.Source,
		Allowed: "has objects that no store can have, for everything of a store is in its namespace:\n  " + strings.Join(outside, "\n  ") +
			"\nSwitch them off in the chart's values, or install them apart from the store",
	}}
}

// unfilled is a store as it should be, without its objects and its chart.
func unfilled(fleet string, s spec.Store, env *blueprint.Environment) (*desired, error) {
	s = s.WithDefaults()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	plan, err := blueprint.ForStore(fleet, s, env)
	if err != nil {
		return nil, err
	}
	return &desired{
		spec: s, blueprint: plan,
		request: release.Request{
			Name: blueprint.ReleaseName, Namespace: s.Namespace(), Values: plan.Values,
			Labels: map[string]string{blueprint.LabelFleet: fleet, blueprint.LabelStore: s.Name},
		},
		objects: make(map[string]*unstructured.Unstructured),
		charted: make(map[string]bool),
		scaled:  make(map[string]bool),
		digests: make(map[string]string),
	}, nil
}

// chartAsRecorded takes over what is on record of the objects of the chart.
func (d *desired) chartAsRecorded(record *ledger.Record) {
	for key, entry := range record.Objects {
		if entry.Charted {
			d.digests[key], d.charted[key], d.scaled[key] = entry.Desired, true, entry.Scaled
		}
	}
}

// addBlueprint adds everything that is not the chart's.
func (d *desired) addBlueprint() error {
	for _, object := range slices.Concat([]*unstructured.Unstructured{d.blueprint.Namespace}, d.blueprint.Guardrails, d.blueprint.Exposure) {
		if err := d.add(object); err != nil {
			return err
		}
	}
	for _, secret := range d.blueprint.Secrets {
		if err := d.addSecret(secret); err != nil {
			return err
		}
	}
	return nil
}

// render gets the objects of the chart, once.
func (d *desired) render() error {
	if d.rendered {
		return nil
	}
	var objects []*unstructured.Unstructured
	if d.revision > 0 {
		var err error
		if objects, err = d.fetch(); err != nil {
			return err
		}
	} else {
		rendered, err := release.Render(d.request)
		if err != nil {
			return err
		}
		objects, d.hooks = rendered.Objects, rendered.Hooks
	}
	d.rendered, d.scaled = true, release.Scaled(objects)
	for _, object := range objects {
		key := kube.RefOf(object).String()
		d.charted[key] = true
		if d.digests[key] != "" { // on record; what the record says counts
			if d.objects[key] == nil {
				d.objects[key] = object
			}
			continue
		}
		if err := d.add(object); err != nil {
			return err
		}
	}
	return nil
}

// object returns the object with that key as it should be, nil when there should be none.
func (d *desired) object(key string) (*unstructured.Unstructured, error) {
	if _, known := d.objects[key]; !known && d.charted[key] {
		if err := d.render(); err != nil {
			return nil, err
		}
	}
	return d.objects[key], nil
}

func (d *desired) add(object *unstructured.Unstructured) error {
	digest, err := kube.Digest(withoutContent(object))
	if err != nil {
		return err
	}
	key := kube.RefOf(object).String()
	d.objects[key], d.digests[key] = object, digest
	return nil
}

// withoutContent is a Secret of a chart without its values: a digest of them could be guessed from.
func withoutContent(object *unstructured.Unstructured) *unstructured.Unstructured {
	if object.GetKind() != "Secret" {
		return object
	}
	shape := object.DeepCopy()
	for _, field := range []string{"data", "stringData"} {
		if content, ok := shape.Object[field].(map[string]any); ok {
			shape.Object[field] = anySlice(slices.Sorted(maps.Keys(content)))
		}
	}
	return shape
}

// addSecret adds a Secret by what it should have, never by its content.
func (d *desired) addSecret(secret blueprint.Secret) error {
	shape := secret.Object.DeepCopy()
	// Whether a key is given or generated is no matter of shape: given values are written at every update.
	keys := slices.Sorted(maps.Keys(secret.Generated))
	keys = append(keys, slices.Sorted(maps.Keys(secret.Given))...)
	keys = append(keys, slices.Sorted(maps.Keys(secret.Initial))...)
	slices.Sort(keys)
	shape.Object["keys"] = anySlice(slices.Compact(keys))
	shape.Object["fixed"] = anyMap(secret.Fixed)
	digest, err := kube.Digest(shape)
	if err != nil {
		return err
	}
	key := kube.RefOf(secret.Object).String()
	d.objects[key], d.digests[key] = secret.Object, digest
	return nil
}

// secret returns the description of the Secret with that key.
func (d *desired) secret(key string) (blueprint.Secret, bool) {
	for _, secret := range d.blueprint.Secrets {
		if kube.RefOf(secret.Object).String() == key {
			return secret, true
		}
	}
	return blueprint.Secret{}, false
}

// exposed tells the objects that wait for the shop to be installed.
func (d *desired) exposed(key string) bool {
	return slices.ContainsFunc(d.blueprint.Exposure, func(o *unstructured.Unstructured) bool { return kube.RefOf(o).String() == key })
}

func releaseDigest(r release.Request) (string, error) {
	data, err := json.Marshal([]any{r.Chart.Digest, r.Values, r.Labels})
	if err != nil {
		return "", fmt.Errorf("encode values: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func anySlice(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func anyMap(in map[string]string) map[string]any {
	out := make(map[string]any, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}

func refNamespace(name string) spec.ObjectRef {
	return spec.ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: name}
}
