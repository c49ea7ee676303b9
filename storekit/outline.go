package storekit

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Environment is what the objects of a store depend on besides its specification: the nodes, networks and ingress controller of
// its cluster. It can be kept as JSON.
type Environment struct{ known blueprint.Environment }

// MarshalJSON implements [json.Marshaler].
func (e Environment) MarshalJSON() ([]byte, error) { return json.Marshal(e.known) }

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Environment) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &e.known) }

// Renderer renders stores without a cluster. It loads each chart once. It is safe for concurrent use.
type Renderer struct{ charts *charts }

// NewRenderer makes a renderer.
func NewRenderer() *Renderer { return &Renderer{charts: new(charts)} }

// Renderer returns the renderer of the client, which shares its charts.
func (c *Client) Renderer() *Renderer { return &Renderer{charts: c.charts} }

// Outline is a store as it should be, object by object. The same specification and environment give the same outline anywhere.
type Outline struct {
	Objects  map[string]string // "Kind/name" -> digest
	Quota    map[string]string // what the store may use, by resource as in [State.Quota]
	Deferred []string          // objects that depend on the cluster, left out because no environment was given

	wish *desired
}

// Outline renders a store for an environment, which may be nil.
func (r *Renderer) Outline(ctx context.Context, fleet string, s spec.Store, env *Environment) (*Outline, error) {
	var known *blueprint.Environment
	if env != nil {
		known = &env.known
	}
	d, err := r.charts.desire(ctx, fleet, s, known, nil)
	if err != nil {
		return nil, err
	}
	out := &Outline{Objects: d.outline(), Quota: make(map[string]string), wish: d}
	for _, object := range d.blueprint.Guardrails {
		if object.GetKind() != "ResourceQuota" {
			continue
		}
		quota := new(corev1.ResourceQuota)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, quota); err != nil {
			return nil, err
		}
		usage, err := keepUsage(quota)
		if err != nil {
			return nil, err
		}
		hard, _ := usage.(map[string]Usage)
		for name, one := range hard {
			out.Quota[name] = one.Hard
		}
	}
	for _, ref := range d.blueprint.Deferred {
		out.Deferred = append(out.Deferred, ref.String())
	}
	return out, nil
}

// outline returns the digests of everything that a store consists of.
func (d *desired) outline() map[string]string {
	objects := maps.Clone(d.digests)
	objects[releaseKey] = shortDigest(d.release.Digest)
	return objects
}

func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }

// Since is what [State.Objects] says of an object when an apply has brought it from an earlier outline to this one.
func (o *Outline) Since(before *Outline, key string) (string, error) {
	moved, err := note(before.wish, o.wish, key)
	return asDesired(o.Objects[key], moved), err
}

// longestNote bounds what the record and Terraform's state keep of a change to an object, in bytes.
const longestNote = 120

// note says how our wish for an object has changed.
func note(before, after *desired, key string) (string, error) {
	moved, err := moves(before, after, key)
	if err != nil {
		return "", err
	}
	const most = 3
	var lines []string
	for i, change := range moved {
		if i == most {
			lines = append(lines, "…")
			break
		}
		switch {
		case change.Old == "":
			lines = append(lines, change.Path+" = "+change.New)
		case change.New == "":
			lines = append(lines, change.Path+" removed")
		default:
			lines = append(lines, change.Path+" "+change.Old+" -> "+change.New)
		}
	}
	return shorten(strings.Join(lines, "; "), longestNote), nil
}

// shorten bounds a text, in bytes.
func shorten(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// asDesired is what [State.Objects] says of an object that is as desired.
func asDesired(digest, note string) string {
	if note == "" {
		return digest
	}
	return digest + ": " + note
}

var desiredForm = regexp.MustCompile(`^([0-9a-f]{12})(: |$)`)

// DesiredDigest returns the digest of an object that is as desired, from what [State.Objects] says of it. ok is false for one that
// is not.
func DesiredDigest(text string) (digest string, ok bool) {
	parts := desiredForm.FindStringSubmatch(text)
	if parts == nil {
		return "", false
	}
	return parts[1], true
}
