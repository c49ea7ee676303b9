package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	syaml "sigs.k8s.io/yaml"
)

// Request is a release as it should be.
type Request struct {
	Name      string // of the release
	Namespace string
	Chart     *Chart
	Values    map[string]any
	Labels    map[string]string // put on every object and pod template, so that they are found again

	// Keep is a revision that outlives the bound of the history: the one to go back to. 0 = none.
	Keep int

	// Adjust changes an object of the chart before it is sent. What it does is in no digest and in no [Rendered]. Nil = nothing.
	Adjust func(*unstructured.Unstructured) error
}

// parse gives one action a chart and values of its own: Helm changes both.
func (r Request) parse() (*chart.Chart, map[string]any, error) {
	parsed, err := r.Chart.parse()
	if err != nil {
		return nil, nil, err
	}
	values, err := ownCopy(r.Values)
	return parsed, values, err
}

// Rendered is what a request consists of.
type Rendered struct {
	Objects []*unstructured.Unstructured // as Helm sends them, its own label and annotations included
	Hooks   []string                     // "Job/migrate (pre-install)": hooks, which never run
}

// Render renders a request without a cluster, with fixed capabilities: the same request gives the same objects anywhere.
func Render(r Request) (*Rendered, error) {
	parsed, values, err := r.parse()
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{Log: discard})
	install.ClientOnly, install.DryRun, install.DryRunOption = true, true, "client"
	install.DisableHooks, install.SkipCRDs = true, true
	install.ReleaseName, install.Namespace = r.Name, r.Namespace
	install.PostRenderer = finisher{labels: r.Labels}
	rel, err := install.Run(parsed, values)
	if err != nil {
		return nil, fmt.Errorf("render chart %s %s: %w", r.Chart.Name, r.Chart.Version, err)
	}
	objects, err := objectsOf(rel.Manifest, r.Name, r.Namespace)
	if err != nil {
		return nil, fmt.Errorf("decode chart %s %s: %w", r.Chart.Name, r.Chart.Version, err)
	}
	rendered := &Rendered{Objects: objects}
	for _, hook := range rel.Hooks {
		for _, event := range hook.Events {
			if event != helmrelease.HookTest {
				rendered.Hooks = append(rendered.Hooks, fmt.Sprintf("%s/%s (%s)", hook.Kind, hook.Name, event))
			}
		}
	}
	return rendered, nil
}

// objectsOf returns the objects of a manifest as Helm sends them: with a label and annotations of its own.
func objectsOf(manifest, release, namespace string) ([]*unstructured.Unstructured, error) {
	objects, err := decode(manifest)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
		object.SetLabels(merged(object.GetLabels(), map[string]string{"app.kubernetes.io/managed-by": "Helm"}))
		object.SetAnnotations(merged(object.GetAnnotations(), map[string]string{
			"meta.helm.sh/release-name":      release,
			"meta.helm.sh/release-namespace": namespace,
		}))
	}
	return objects, nil
}

// finisher is a Helm post-renderer that puts labels on every object and pod template, leaves replicas to autoscalers, and lets
// the request adjust what others may change.
type finisher struct {
	labels map[string]string
	adjust func(*unstructured.Unstructured) error // nil = nothing
}

// Run implements Helm's postrender.PostRenderer.
func (f finisher) Run(manifest *bytes.Buffer) (*bytes.Buffer, error) {
	objects, err := decode(manifest.String())
	if err != nil {
		return nil, err
	}
	scaled := Scaled(objects)
	out := new(bytes.Buffer)
	for _, object := range objects {
		object.SetLabels(merged(object.GetLabels(), f.labels))
		if err := f.labelPods(object); err != nil {
			return nil, err
		}
		if scaled[object.GetKind()+"/"+object.GetName()] {
			unstructured.RemoveNestedField(object.Object, "spec", "replicas")
		}
		if f.adjust != nil {
			if err := f.adjust(object); err != nil {
				return nil, err
			}
		}
		data, err := syaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out, nil
}

// Scaled names the objects, "Kind/name", whose replicas an autoscaler among the objects decides about.
func Scaled(objects []*unstructured.Unstructured) map[string]bool {
	scaled := make(map[string]bool)
	for _, object := range objects {
		if object.GetKind() != "HorizontalPodAutoscaler" {
			continue
		}
		target, _, err := unstructured.NestedStringMap(object.Object, "spec", "scaleTargetRef")
		if err == nil {
			scaled[target["kind"]+"/"+target["name"]] = true
		}
	}
	return scaled
}

func (f finisher) labelPods(object *unstructured.Unstructured) error {
	for _, path := range [][]string{
		{"spec", "template"},
		{"spec", "jobTemplate", "spec", "template"},
	} {
		template, found, err := unstructured.NestedMap(object.Object, path...)
		if err != nil || !found {
			continue // another kind's field of that name
		}
		if _, isPod := template["spec"]; !isPod {
			continue
		}
		labels, _, err := unstructured.NestedStringMap(template, "metadata", "labels")
		if err != nil {
			return fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err)
		}
		if err := unstructured.SetNestedStringMap(object.Object, merged(labels, f.labels), append(path, "metadata", "labels")...); err != nil {
			return fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func decode(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(manifest), 4096)
	for {
		var raw runtime.RawExtension
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		// Whole numbers stay whole: as floating point, a million would be written as 1e+06.
		if err := json.Unmarshal(raw.Raw, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

func merged(base, more map[string]string) map[string]string {
	out := make(map[string]string, len(base)+len(more))
	maps.Copy(out, base)
	maps.Copy(out, more)
	return out
}

// ownCopy protects the caller's values from Helm, which changes the map that it is given, and brings numbers into the form
// that templates print as written.
func ownCopy(values map[string]any) (map[string]any, error) {
	if values == nil {
		return map[string]any{}, nil
	}
	data, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode values: %w", err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("decode values: %w", err)
	}
	return out, nil
}

// capabilities are the same at plan and at apply and on every cluster: they are those of the Kubernetes libraries of this build.
func capabilities() *chartutil.Capabilities { return chartutil.DefaultCapabilities.Copy() }

func discard(string, ...any) {}
