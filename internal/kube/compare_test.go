package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		reason        string
		before, after string
		want          []Difference
	}{
		"same":     {"nothing differs", `{a: 1, b: [x]}`, `{a: 1, b: [x]}`, nil},
		"changed":  {"a leaf", `{spec: {a: x}}`, `{spec: {a: z}}`, []Difference{{"spec.a", "x", "z"}}},
		"added":    {"a field appears", `{spec: {a: x}}`, `{spec: {a: x, b: z}}`, []Difference{{"spec.b", nil, "z"}}},
		"removed":  {"a field goes", `{spec: {a: x, b: z}}`, `{spec: {a: x}}`, []Difference{{"spec.b", "z", nil}}},
		"by name":  {"named items are found wherever they stand", `{c: [{name: a, v: x}, {name: b, v: x}]}`, `{c: [{name: b, v: z}, {name: a, v: x}]}`, []Difference{{"c[name=b].v", "x", "z"}}},
		"by place": {"other items by position", `{c: [x, w]}`, `{c: [x, z]}`, []Difference{{"c[1]", "w", "z"}}},
		"mounts": {
			"one volume is mounted several times: mounts are told apart by path, as Kubernetes does",
			`{volumeMounts: [{name: files, mountPath: /a}, {name: files, mountPath: /b, subPath: x}, {name: files, mountPath: /c}]}`,
			`{volumeMounts: [{name: files, mountPath: /b, subPath: z}, {name: files, mountPath: /c}]}`,
			[]Difference{
				{"volumeMounts[mountPath=/a]", map[string]any{"name": "files", "mountPath": "/a"}, nil},
				{"volumeMounts[mountPath=/b].subPath", "x", "z"},
			},
		},
		"same name twice": {
			"no item hides another one", `{c: [{name: a, v: x}, {name: a, v: w}]}`, `{c: [{name: a, v: x}, {name: a, v: z}]}`,
			[]Difference{{"c[1].v", "w", "z"}},
		},
		"new block": {"a whole block is one difference", `{}`, `{spec: {a: {b: c}}}`, []Difference{{"", map[string]any{}, map[string]any{"spec": map[string]any{"a": map[string]any{"b": "c"}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Compare(object(t, tc.before), object(t, tc.after))); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

const owned = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {example.com/team: x, storeplatform.io/fleet: f}
  annotations: {example.com/note: x}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - {name: sidecar, image: x}
      - name: web
        image: web:1
        env: [{name: FOO, value: bar}]
        ports: [{containerPort: 8080}]
`

func TestAdditions(t *testing.T) {
	desired := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {storeplatform.io/fleet: f}}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - {name: web, image: "web:1", ports: [{containerPort: 8080}]}
`
	for name, tc := range map[string]struct {
		reason  string
		manager string
		sub     string
		fields  string
		want    []string // path and pointer
	}{
		"sidecar":     {"a container of somebody else, as one addition", "kubectl-edit", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`, []string{"spec.template.spec.containers[name=sidecar] /spec/template/spec/containers/0"}},
		"variable":    {"a variable of somebody else", "kubectl-edit", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:env":{"k:{\"name\":\"FOO\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`, []string{"spec.template.spec.containers[name=web].env[name=FOO] /spec/template/spec/containers/1/env/0"}},
		"taken field": {"a field that we set is no addition, whoever owns it", "kubectl-scale", "", `{"f:spec":{"f:replicas":{}}}`, nil},
		"a port":      {"a key that leaves the default protocol out is found", "kubectl-edit", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:ports":{"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{}}}}}}}}}`, nil},
		"annotation":  {"annotations of others are theirs", "other", "", `{"f:metadata":{"f:annotations":{"f:example.com/note":{}}}}`, nil},
		"label":       {"labels of others are theirs", "other", "", `{"f:metadata":{"f:labels":{"f:example.com/team":{}}}}`, nil},
		"controller":  {"Kubernetes itself", "kube-controller-manager", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{}}}}}}}`, nil},
		"ourselves":   {"our own fields", "storeplatform", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{}}}}}}}`, nil},
		"subresource": {"scale and status have their own entries", "other", "status", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"sidecar\"}":{".":{}}}}}}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			live := object(t, owned)
			live.SetManagedFields([]metav1.ManagedFieldsEntry{{
				Manager: tc.manager, Subresource: tc.sub, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1",
				FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(tc.fields),
			}})
			c := &Cluster{Manager: "storeplatform"}
			fields, err := c.Additions(live, object(t, desired))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, field := range fields {
				got = append(got, field.Path+" "+field.Pointer)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNormalIsTheSameHoweverItWasRead(t *testing.T) {
	server := object(t, owned)
	server.Object["status"] = map[string]any{"replicas": int64(1)}
	server.SetResourceVersion("7")
	server.SetAnnotations(map[string]string{"deployment.kubernetes.io/revision": "3", "example.com/note": "x"})
	fresh := object(t, owned)
	a, err := new(Cluster).LiveDigest(server)
	if err != nil {
		t.Fatal(err)
	}
	b, err := new(Cluster).LiveDigest(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("status, versions and controllers' annotations change the digest: %s, %s", a, b)
	}
}

func TestOwner(t *testing.T) {
	early, late := metav1.NewTime(time.Unix(1000, 0).UTC()), metav1.NewTime(time.Unix(2000, 0).UTC())
	for name, tc := range map[string]struct {
		reason, path string
		sub, fields  string // of kubectl-edit, the later one of two
		want         string
	}{
		"field":         {"the field itself", "spec.replicas", "", `{"f:spec":{"f:replicas":{}}}`, "kubectl-edit"},
		"within":        {"something in it", "spec.template.spec.containers[name=side]", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"side\"}":{".":{},"f:image":{}}}}}}}`, "kubectl-edit"},
		"scale":         {"kubectl scale writes through a subresource", "spec.replicas", "scale", `{"f:spec":{"f:replicas":{}}}`, "kubectl-edit"},
		"status":        {"a status is no wish", "spec.replicas", "status", `{"f:spec":{"f:replicas":{}}}`, "storeplatform"},
		"of one owner":  {"a list that has one owner differs in one item", "spec.egress[1].ports[0].port", "", `{"f:spec":{"f:egress":{}}}`, "kubectl-edit"},
		"beside":        {"who set another field of the same item did not set this one", "spec.template.spec.containers[name=web].image", "", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:command":{}}}}}}}`, ""},
		"longer name":   {"a field whose name only begins the same", "spec.replica", "", `{"f:spec":{"f:replicas":{}}}`, ""},
		"nobody's":      {"nobody has it any more", "spec.hard.pods", "", `{"f:spec":{"f:hard":{".":{},"f:limits.cpu":{}}}}`, ""},
		"dots in names": {"names of fields may contain dots", "spec.hard.limits.cpu", "", `{"f:spec":{"f:hard":{".":{},"f:limits.cpu":{}}}}`, "kubectl-edit"},
	} {
		t.Run(name, func(t *testing.T) {
			live := object(t, owned)
			live.SetManagedFields([]metav1.ManagedFieldsEntry{
				{Manager: "storeplatform", Time: &early, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{},"f:egress":{}}}`)},
				{Manager: "kubectl-edit", Subresource: tc.sub, Time: &late, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(tc.fields)},
			})
			if got, _ := Owner(live, tc.path); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestForeign(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, manager, sub string
		want                 bool
	}{
		"other":      {"somebody else", "kubectl-edit", "", true},
		"scale":      {"kubectl scale between our apply and our reading is not ours", "kubectl", "scale", true},
		"status":     {"a status is no wish", "ingress-controller", "status", false},
		"autoscaler": {"an autoscaler of Kubernetes writes through the same subresource", "kube-controller-manager", "scale", false},
		"ourselves":  {"our own fields", "storeplatform", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			live := object(t, owned)
			live.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: tc.manager, Subresource: tc.sub}})
			if got := (&Cluster{Manager: "storeplatform"}).foreign(live); got != tc.want {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}

func TestText(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		value  any
		want   string
	}{
		"absent": {"nothing is there", nil, ""},
		"empty":  {"an empty string is there, and is not nothing", "", `""`},
		"list":   {"on one line", []any{"a", int64(1)}, `["a",1]`},
		"runes":  {"no letter is cut in two", strings.Repeat("a", 199) + "ä", strings.Repeat("a", 199) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Text(tc.value)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}
