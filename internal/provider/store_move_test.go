package provider

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// source is a resource that is moved here, as a CLI sends it.
type source struct {
	provider, typeName string
	version            int64
	state              string
	private, identity  string
}

// move moves a resource to one of that type.
func (h *harness) move(typeName string, from source) (*object, string) {
	h.t.Helper()
	req := &tfprotov6.MoveResourceStateRequest{
		SourceProviderAddress: from.provider, SourceTypeName: from.typeName, SourceSchemaVersion: from.version,
		SourceState: &tfprotov6.RawState{JSON: []byte(from.state)}, SourcePrivate: []byte(from.private), TargetTypeName: typeName,
	}
	if from.identity != "" {
		req.SourceIdentity = &tfprotov6.RawState{JSON: []byte(from.identity)}
	}
	resp, err := h.server.MoveResourceState(context.Background(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.objectOf(h.resourceType(typeName), resp.TargetState, resp.TargetPrivate, resp.TargetIdentity), render(resp.Diagnostics)
}

// identityJSON is the identity of an object as a CLI keeps it, empty when it is null.
func (h *harness) identityJSON(typeName string, o *object) string {
	h.t.Helper()
	schemas, err := h.server.GetResourceIdentitySchemas(context.Background(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	identity, err := o.identity.IdentityData.Unmarshal(schemas.IdentitySchemas[typeName].ValueType())
	if err != nil {
		h.t.Fatal(err)
	}
	if identity.IsFullyNull() {
		return ""
	}
	var attributes map[string]tftypes.Value
	must(identity.As(&attributes))
	out := make(map[string]*string)
	for name, attribute := range attributes {
		var text *string
		must(attribute.As(&text))
		out[name] = text
	}
	data, err := json.Marshal(out)
	must(err)
	return string(data)
}

const (
	namespaceState = `{"id": "store-acme", "metadata": [{"name": "store-acme", "labels": {"team": "acme"}, "uid": "1"}], "timeouts": null}`
	releaseState   = `{"id": "store", "name": "store", "namespace": "store-acme", "values": ["password: CANARY"], "metadata": {"revision": 3}}`
)

func TestMoveFromOtherProviders(t *testing.T) {
	t.Parallel()
	const notMovable = "Not Movable"
	for name, tc := range map[string]struct {
		reason string
		from   source
		want   []string // of the error; nil = it becomes store acme
	}{
		"namespace": {
			"the common case",
			source{provider: "registry.terraform.io/hashicorp/kubernetes", typeName: "kubernetes_namespace", state: namespaceState}, nil,
		},
		"namespace_v1": {
			"the other name of the same type, from another registry",
			source{provider: "registry.opentofu.org/hashicorp/kubernetes", typeName: "kubernetes_namespace_v1", state: namespaceState}, nil,
		},
		"two parts": {
			"an address without a host",
			source{provider: "hashicorp/kubernetes", typeName: "kubernetes_namespace", state: namespaceState}, nil,
		},
		"one part": {
			"OpenTofu before 1.12.4 sends the short name alone",
			source{provider: "kubernetes", typeName: "kubernetes_namespace", state: namespaceState}, nil,
		},
		"release": {
			"hashicorp/helm 3",
			source{provider: "registry.terraform.io/hashicorp/helm", typeName: "helm_release", version: 2, state: releaseState}, nil,
		},
		"release of version 2": {
			"hashicorp/helm 2 has its metadata in a list",
			source{provider: "helm", typeName: "helm_release", version: 1, state: strings.Replace(releaseState, `{"revision": 3}`, `[{"revision": 3}]`, 1)}, nil,
		},
		"foreign type": {
			"only two resources are the place of a store",
			source{provider: "registry.terraform.io/hashicorp/kubernetes", typeName: "kubernetes_pod", state: namespaceState},
			[]string{"Unable to Move Resource State", "kubernetes_pod"},
		},
		"foreign namespace": {
			"another provider of that name may mean another thing by the type",
			source{provider: "registry.terraform.io/acme/kubernetes", typeName: "kubernetes_namespace", state: namespaceState},
			[]string{"Unable to Move Resource State", "acme/kubernetes"},
		},
		"foreign name": {
			"a name that merely ends so",
			source{provider: "registry.terraform.io/hashicorp/my-helm", typeName: "helm_release", state: releaseState},
			[]string{"Unable to Move Resource State"},
		},
		"type of another provider": {
			"the provider belongs to the type",
			source{provider: "hashicorp/kubernetes", typeName: "helm_release", state: releaseState},
			[]string{"Unable to Move Resource State"},
		},
		"four parts": {
			"that is no address",
			source{provider: "x/registry.terraform.io/hashicorp/helm", typeName: "helm_release", state: releaseState},
			[]string{"Unable to Move Resource State"},
		},
		"empty part": {
			"nor is that",
			source{provider: "registry.terraform.io//helm", typeName: "helm_release", state: releaseState},
			[]string{"Unable to Move Resource State"},
		},
		"other namespace": {
			"the namespace of a store cannot be chosen",
			source{provider: "kubernetes", typeName: "kubernetes_namespace", state: strings.ReplaceAll(namespaceState, "store-acme", "acme")},
			[]string{notMovable, "namespace acme", "store-<name>", "remove the moved block", "move the data", "destroy = false"},
		},
		"other release": {
			"the release of a store cannot be chosen",
			source{provider: "helm", typeName: "helm_release", state: strings.ReplaceAll(releaseState, `"store"`, `"shop"`)},
			[]string{notMovable, `release "shop" in namespace store-acme`, `named "store"`},
		},
		"release elsewhere": {
			"the right name in the wrong namespace",
			source{provider: "helm", typeName: "helm_release", state: strings.ReplaceAll(releaseState, "store-acme", "default")},
			[]string{notMovable, "namespace default"},
		},
		"namespace without a name": {
			"bad data of a source that is ours to move is an error, it is not skipped",
			source{provider: "kubernetes", typeName: "kubernetes_namespace", state: `{"metadata": []}`},
			[]string{"Resource Not Movable", "kubernetes_namespace", "no metadata"},
		},
		"broken release": {
			"what cannot be decoded may hold secrets",
			source{provider: "helm", typeName: "helm_release", state: `{"name": 1, "namespace": "CANARY"}`},
			[]string{"Resource Not Movable", "helm_release", "no name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			got, messages := h.move(storeType, tc.from)
			if strings.Contains(messages, "CANARY") || got != nil && strings.Contains(string(got.private), "CANARY") {
				t.Errorf("%s: a value of the source is shown: %s", tc.reason, messages)
			}
			if tc.want != nil {
				if got != nil {
					t.Errorf("%s: it was moved", tc.reason)
				}
				mustSay(t, messages, append(tc.want, "ERROR")...)
				return
			}
			if messages != "" || got == nil {
				t.Fatalf("%s: %s", tc.reason, messages)
			}
			want := value(h.resourceType(storeType), fields{"name": "acme", "id": "acme"})
			if diff := cmp.Diff(want.String(), got.state.String()); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
			private := make(map[string][]byte)
			if err := json.Unmarshal(got.private, &private); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string][]byte{movedFrom: []byte(`"` + tc.from.typeName + `"`)}, private); diff != "" {
				t.Errorf("%s: private state (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMoveFromAnotherAddress(t *testing.T) {
	t.Parallel()
	const (
		plan   = `{"name": "gold", "id": "gold", "preset": "premium", "cpu": "4", "pods": 20, "jobs": {"cpu": "2", "memory": "2Gi", "pods": 10}}`
		domain = `{"host": "shop.acme.example", "store": "acme", "verified": true, "records": [], "findings": ["x"]}`
		store  = `{"name": "acme", "owner": "team", "woocommerce": {"title": "Acme", "smtp": {"host": "mail.acme.example"}}, "objects": {"Deployment/web": "1"}}`
		note   = `{"half_made":"dHJ1ZQ=="}`
	)
	for name, tc := range map[string]struct {
		reason string
		target string
		from   source
		want   []string // of the error; nil = it is the same afterwards
	}{
		"store": {
			"another registry", "storeplatform_store",
			source{provider: "registry.terraform.io/storeplatform/storeplatform", typeName: "storeplatform_store", state: store, private: note, identity: `{"fleet":"default","name":"acme"}`}, nil,
		},
		"plan": {
			"another namespace of the same registry, from a CLI without identities", "storeplatform_plan",
			source{provider: "registry.opentofu.org/acme/storeplatform", typeName: "storeplatform_plan", state: plan}, nil,
		},
		"domain": {
			"the short name alone", "storeplatform_domain",
			source{provider: "storeplatform", typeName: "storeplatform_domain", state: domain, identity: `{"fleet":null,"host":"shop.acme.example"}`}, nil,
		},
		"near miss": {
			"a name that merely ends so", "storeplatform_plan",
			source{provider: "registry.terraform.io/acme/mystoreplatform", typeName: "storeplatform_plan", state: plan},
			[]string{"Unable to Move Resource State"},
		},
		"other type": {
			"a plan is no store", "storeplatform_store",
			source{provider: "storeplatform", typeName: "storeplatform_plan", state: plan},
			[]string{"Unable to Move Resource State"},
		},
		"newer version": {
			"a state of a newer provider cannot be read", "storeplatform_plan",
			source{provider: "storeplatform", typeName: "storeplatform_plan", version: 7, state: plan},
			[]string{"Resource Not Movable", "version 7"},
		},
		"wrong type": {
			"a state that is not of our schema is not guessed at", "storeplatform_plan",
			source{provider: "storeplatform", typeName: "storeplatform_plan", state: `{"name": "gold", "pods": "many"}`},
			[]string{"Resource Not Movable"},
		},
		"no name": {
			"a state that names nothing", "storeplatform_store",
			source{provider: "storeplatform", typeName: "storeplatform_store", state: `{"title": "Acme"}`},
			[]string{"Resource Not Movable", "no name"},
		},
		"broken identity": {
			"an identity that cannot be read would be lost", "storeplatform_store",
			source{provider: "storeplatform", typeName: "storeplatform_store", state: store, identity: `[]`},
			[]string{"Resource Not Movable", "identity"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			got, messages := h.move(tc.target, tc.from)
			if tc.want != nil {
				if got != nil {
					t.Errorf("%s: it was moved", tc.reason)
				}
				mustSay(t, messages, append(tc.want, "ERROR")...)
				return
			}
			if messages != "" || got == nil {
				t.Fatalf("%s: %s", tc.reason, messages)
			}
			want, err := (&tfprotov6.RawState{JSON: []byte(tc.from.state)}).Unmarshal(h.resourceType(tc.target))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), got.state.String()); diff != "" {
				t.Errorf("%s: state (-want +got)\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.from.private, string(got.private)); diff != "" {
				t.Errorf("%s: private state (-want +got)\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.from.identity, h.identityJSON(tc.target, got)); diff != "" {
				t.Errorf("%s: identity (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}
