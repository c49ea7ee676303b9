package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestCopyField(t *testing.T) {
	const live = `{kind: D, metadata: {name: x, labels: {a.b/c: new}}, spec: {replicas: 3, containers: [{name: a, image: live}, {name: side}], mounts: [{name: v, mountPath: /b, subPath: new}]}}`
	for name, tc := range map[string]struct {
		reason, path string
		to, want     string
		fails        bool
	}{
		"scalar":        {"a number", "spec.replicas", `{spec: {replicas: 1}}`, `{spec: {replicas: 3}}`, false},
		"named item":    {"a field of an item that is found by name", "spec.containers[name=a].image", `{spec: {containers: [{name: z}, {name: a, image: ours}]}}`, `{spec: {containers: [{name: z}, {name: a, image: live}]}}`, false},
		"dots":          {"names of fields may contain dots", "metadata.labels.a.b/c", `{metadata: {labels: {a.b/c: old, a: b}}}`, `{metadata: {labels: {a.b/c: new, a: b}}}`, false},
		"new field":     {"a field that we do not set", "spec.replicas", `{spec: {}}`, `{spec: {replicas: 3}}`, false},
		"new item":      {"an item of others stays", "spec.containers[name=side]", `{spec: {containers: [{name: a}]}}`, `{spec: {containers: [{name: a}, {name: side}]}}`, false},
		"absent":        {"a field that others removed", "spec.paused", `{spec: {paused: true}}`, `{spec: {}}`, false},
		"item removed":  {"an item that others removed", "spec.containers[name=b]", `{spec: {containers: [{name: a}, {name: b}]}}`, `{spec: {containers: [{name: a}]}}`, false},
		"absent twice":  {"nothing on both sides", "spec.other.deep", `{spec: {}}`, `{spec: {}}`, false},
		"mount":         {"a mount is found by its path", "spec.mounts[mountPath=/b].subPath", `{spec: {mounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b, subPath: old}]}}`, `{spec: {mounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b, subPath: new}]}}`, false},
		"mount removed": {"one of several mounts of a volume", "spec.mounts[mountPath=/a]", `{spec: {mounts: [{name: v, mountPath: /b}, {name: v, mountPath: /a}]}}`, `{spec: {mounts: [{name: v, mountPath: /b}]}}`, false},
		"without place": {"there is no parent to put it into", "spec.containers[name=a].image", `{spec: {}}`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			to := object(t, tc.to)
			err := CopyField(object(t, live), to, tc.path)
			if (err != nil) != tc.fails {
				t.Fatalf("%s: error %v", tc.reason, err)
			}
			if tc.fails {
				return
			}
			if diff := cmp.Diff(object(t, tc.want).Object, to.Object); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCompareSet(t *testing.T) {
	const head = `apiVersion: apps/v1, kind: Deployment, metadata: {name: web}`
	for name, tc := range map[string]struct {
		reason        string
		live, desired string
		want          []Difference
	}{
		"defaults": {
			"what the server adds by itself is no difference",
			`spec: {replicas: 1, strategy: {type: RollingUpdate}, template: {spec: {dnsPolicy: ClusterFirst, containers: [{name: a, image: x, imagePullPolicy: Always}]}}}`,
			`spec: {replicas: 1, template: {spec: {containers: [{name: a, image: x}]}}}`, nil,
		},
		"changed": {
			"a field that we set",
			`spec: {replicas: 2, template: {spec: {containers: [{name: a, image: x}]}}}`,
			`spec: {replicas: 1, template: {spec: {containers: [{name: a, image: x}]}}}`, []Difference{{"spec.replicas", int64(2), int64(1)}},
		},
		"quantity": {
			"1000m is 1",
			`spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1000m}}}]}}}`,
			`spec: {template: {spec: {containers: [{name: a, resources: {limits: {cpu: "1"}}}]}}}`, nil,
		},
		"list of one owner": {
			"an argument of somebody else",
			`spec: {template: {spec: {containers: [{name: a, args: [x, w]}]}}}`,
			`spec: {template: {spec: {containers: [{name: a, args: [x]}]}}}`, []Difference{{"spec.template.spec.containers[name=a].args[1]", "w", nil}},
		},
		"items by name": {
			"a sidecar is an addition, which owners of fields tell",
			`spec: {template: {spec: {containers: [{name: a, image: x}, {name: side, image: w}]}}}`,
			`spec: {template: {spec: {containers: [{name: a, image: x}]}}}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			of := func(text string) *unstructured.Unstructured { return object(t, "{"+head+", "+text+"}") }
			got, err := CompareSet(of(tc.live), of(tc.desired))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMask(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, kind, path string
		hidden             bool
	}{
		"secret data":     {"the content of a Secret", "Secret", "data.password", true},
		"secret string":   {"before the server encodes it", "Secret", "stringData.x", true},
		"secret label":    {"a label is no secret", "Secret", "metadata.labels.a", false},
		"password":        {"a variable whose name says so", "Deployment", "spec.template.spec.containers[name=web].env[name=DB_PASSWORD].value", true},
		"whole variables": {"a block may hold anything", "Deployment", "spec.template.spec.containers[name=web].env", true},
		"variable":        {"an ordinary variable", "Deployment", "spec.template.spec.containers[name=web].env[name=LOCALE].value", false},
		"pass":            {"short for password", "Deployment", "spec.template.spec.containers[name=web].env[name=SMTP_PASS].value", true},
		"pwd":             {"shorter still", "Deployment", "spec.template.spec.containers[name=web].env[name=MYSQL_PWD]", true},
		"passenger":       {"a name that only begins like one", "Deployment", "spec.template.spec.containers[name=web].env[name=PASSENGERS].value", false},
		"image":           {"no variable at all", "Deployment", "spec.template.spec.containers[name=token].image", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := Difference{Path: tc.path, Old: "a", New: "b"}.Mask(tc.kind)
			if (got.Old == Sensitive) != tc.hidden || (got.New == Sensitive) != tc.hidden {
				t.Errorf("%s: %+v", tc.reason, got)
			}
		})
	}
}

func TestMaskWithinValues(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, path string
		value, want  string
	}{
		"container": {
			"a container of somebody else is one difference, variables and all", "spec.template.spec.containers[name=side]",
			`{v: {name: side, image: x, env: [{name: A, value: canary}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}`,
			`{v: {name: side, image: x, env: [{name: A, value: (sensitive)}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}`,
		},
		"template": {
			"variables lie deep in a pod template", "spec.template",
			`{v: {spec: {initContainers: [{name: a, env: [{name: A, value: canary}]}], containers: [{name: b, env: [{name: A, value: canary}]}]}}}`,
			`{v: {spec: {initContainers: [{name: a, env: [{name: A, value: (sensitive)}]}], containers: [{name: b, env: [{name: A, value: (sensitive)}]}]}}}`,
		},
		"map":      {"custom resources may keep variables in a map", "spec", `{v: {env: {A: canary}}}`, `{v: {env: (sensitive)}}`},
		"address":  {"an address may hold a password", "data.URL", `{v: "redis://user:canary@cache:6379/0"}`, `{v: "redis://user:(sensitive)@cache:6379/0"}`},
		"variable": {"an ordinary variable", "spec.template.spec.containers[name=web].env[name=FOO]", `{v: {name: FOO, value: bar}}`, `{v: {name: FOO, value: bar}}`},
	} {
		t.Run(name, func(t *testing.T) {
			value, want := object(t, tc.value).Object["v"], object(t, tc.want).Object["v"]
			before := object(t, tc.value).Object["v"]
			for _, d := range []Difference{{Path: tc.path, Old: value}, {Path: tc.path, New: value}} {
				got := d.Mask("Deployment")
				if d.Old != nil {
					got.New = got.Old
				}
				if diff := cmp.Diff(want, got.New); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
				}
			}
			if diff := cmp.Diff(before, value); diff != "" {
				t.Errorf("the object itself was changed: (-before +after)\n%s", diff)
			}
		})
	}
}
