package release_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
)

func files(template string) map[string][]byte {
	return map[string][]byte{
		"Chart.yaml":       []byte("apiVersion: v2\nname: front\nversion: 1.2.3\nappVersion: \"4\"\n"),
		"templates/a.yaml": []byte(template),
	}
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Values.name | default "front" }}}
spec:
  replicas: {{ .Values.replicas }}
  template: {metadata: {labels: {app: front}}, spec: {containers: []}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: pre-install}}
`

func TestRender(t *testing.T) {
	chart, err := release.LoadEmbedded(files(deployment))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{"replicas": 1000000}
	request := release.Request{Name: "store", Namespace: "store-acme", Chart: chart, Values: values, Labels: map[string]string{"l": "v"}}
	rendered, err := release.Render(request)
	if err != nil {
		t.Fatal(err)
	}
	if len(rendered.Objects) != 1 {
		t.Fatalf("objects: %v", rendered.Objects)
	}
	want := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "front", "namespace": "store-acme",
			"labels":      map[string]any{"l": "v", "app.kubernetes.io/managed-by": "Helm"},
			"annotations": map[string]any{"meta.helm.sh/release-name": "store", "meta.helm.sh/release-namespace": "store-acme"},
		},
		"spec": map[string]any{
			"replicas": int64(1000000),
			"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "front", "l": "v"}}, "spec": map[string]any{"containers": []any{}}},
		},
	}
	if diff := cmp.Diff(want, rendered.Objects[0].Object); diff != "" {
		t.Errorf("an object is rendered as Helm sends it (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Job/migrate (pre-install)"}, rendered.Hooks); diff != "" {
		t.Errorf("hooks are named (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"replicas": 1000000}, values); diff != "" {
		t.Errorf("the caller's values were changed (-want +got)\n%s", diff)
	}
}

// Helm changes a chart while it renders it; one chart must serve many stores at once all the same.
func TestRenderInParallel(t *testing.T) {
	chart, err := release.LoadEmbedded(files(deployment))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := release.Render(release.Request{Name: "store", Namespace: "n", Chart: chart}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestLoad(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		load   func() error
		want   string
	}{
		"missing": {"a chart that is not there is named", func() error {
			_, err := release.LoadPath(filepath.Join(t.TempDir(), "none"))
			return err
		}, "none"},
		"library": {"a library installs nothing", func() error {
			f := files("")
			f["Chart.yaml"] = append(f["Chart.yaml"], "type: library\n"...)
			_, err := release.LoadEmbedded(f)
			return err
		}, "library"},
		"no chart": {"a folder without Chart.yaml", func() error {
			_, err := release.LoadEmbedded(map[string][]byte{"a": nil})
			return err
		}, "chart"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.load(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
	a, err := release.LoadEmbedded(files("a"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := release.LoadEmbedded(files("b"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Digest == b.Digest {
		t.Error("a chart's digest follows its files")
	}
}
