package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/chart"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// usualFleet labels the namespaces of the stores that are made the usual way.
const usualFleet = "usual"

// usual manages the same objects with hashicorp/kubernetes and the same chart with hashicorp/helm: what a store consists of comes
// from the blueprint, and only its form is different. The records that make a store are left out.
func usual(kubernetes, helm, kubeconfig string) (subject, error) {
	s := subject{
		name:      "kubernetes + helm",
		providers: map[string]string{"hashicorp/kubernetes": kubernetes, "hashicorp/helm": helm},
	}
	store := spec.Store{
		Name: "usual", Owner: "bench", Host: "usual.stores.example.test",
		Engine: spec.WooCommerce{Title: "Store", AdminEmail: "shop@example.test"},
	}
	plan, err := blueprint.ForStore(usualFleet, store, &blueprint.Environment{IngressClass: "traefik"})
	if err != nil {
		return s, err
	}
	resources := block{}
	const namespace = "${kubernetes_namespace_v1.store[each.key].metadata[0].name}"
	resources.add("kubernetes_namespace_v1", "store", block{
		"metadata": block{"name": "usual-${each.key}", "labels": plan.Namespace.GetLabels()},
	})
	var guardrails []string
	for _, object := range slices.Concat(plan.Guardrails, plan.Exposure) {
		kind := "kubernetes_" + snake(object.GetKind()) + "_v1"
		body := block{"metadata": block{"name": object.GetName(), "namespace": namespace, "labels": object.GetLabels()}}
		for key, value := range fields(object) {
			body[snake(key)] = terraformed(key, value)
		}
		resources.add(kind, object.GetName(), body)
		guardrails = append(guardrails, kind+"."+object.GetName())
	}
	for _, secret := range plan.Secrets {
		data := block{}
		for key := range secret.Generated {
			data[key] = "bench"
		}
		for key, value := range secret.Fixed {
			data[key] = value
		}
		const kind = "kubernetes_secret_v1"
		resources.add(kind, secret.Object.GetName(), block{
			"metadata": block{"name": secret.Object.GetName(), "namespace": namespace, "labels": secret.Object.GetLabels()}, "data": data,
		})
		guardrails = append(guardrails, kind+"."+secret.Object.GetName())
	}
	resources.add("helm_release", "store", block{
		"name": blueprint.ReleaseName, "namespace": namespace, "chart": "${path.module}/chart", "wait": false,
		"values": []string{`${file("${path.module}/values.json")}`}, "depends_on": guardrails,
	})
	if s.files, err = chartFiles(); err != nil {
		return s, err
	}
	if s.files["values.json"], err = json.Marshal(plan.Values); err != nil {
		return s, err
	}
	s.files["main.tf.json"], err = json.MarshalIndent(block{
		"variable": block{"things": block{"type": "number"}, "qps": block{"type": "number", "default": nil}},
		"locals":   block{"things": "${" + everyThings + "}"},
		"terraform": block{"required_providers": block{
			"kubernetes": block{"source": "hashicorp/kubernetes"}, "helm": block{"source": "hashicorp/helm"},
		}},
		"provider": block{
			"kubernetes": block{"config_path": kubeconfig},
			"helm":       block{"kubernetes": block{"config_path": kubeconfig}},
		},
		"resource": resources,
	}, "", "  ")
	return s, err
}

// block is a block of a configuration as JSON.
type block map[string]any

// add adds a resource for every store.
func (b block) add(kind, name string, body block) {
	body["for_each"] = "${" + everyThing + "}"
	named, ok := b[kind].(block)
	if !ok {
		named = block{}
		b[kind] = named
	}
	named[name] = body
}

// fields are those of an object that say what it is for.
func fields(object *unstructured.Unstructured) map[string]any {
	all := map[string]any{}
	for key, value := range object.Object {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			all[key] = value
		}
	}
	return all
}

// terraformed gives a value the form that hashicorp/kubernetes wants: snake case, and lists of blocks in the singular.
func terraformed(key string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		switch key {
		case "hard", "matchLabels", "default", "defaultRequest", "max":
			return value // keys that are no fields
		}
		out := block{}
		for name, field := range value {
			singular := map[string]string{"limits": "limit", "rules": "rule", "paths": "path"}
			if _, list := field.([]any); list && singular[name] != "" {
				out[singular[name]] = terraformed(name, field)
				continue
			}
			out[snake(name)] = terraformed(name, field)
		}
		return out
	case []any:
		out := make([]any, 0, len(value))
		for _, item := range value {
			out = append(out, terraformed("", item))
		}
		return out
	}
	return value
}

func snake(camel string) string {
	out := new(strings.Builder)
	for i, r := range camel {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

func chartFiles() (map[string][]byte, error) {
	files, err := chart.Files()
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(files))
	for path, content := range files {
		out[filepath.Join("chart", path)] = content
	}
	return out, nil
}

// installed finds a provider's program in a directory, or else where CLIs look for providers.
func installed(name, dir string) (path string, found bool) {
	binary := "terraform-provider-" + name + "*"
	patterns := []string{filepath.Join(dir, binary)}
	if dir == "" {
		patterns = nil
		home, err := os.UserHomeDir()
		if err != nil {
			home = "/"
		}
		for _, root := range []string{
			os.Getenv("TF_PLUGIN_CACHE_DIR"), filepath.Join(home, ".terraform.d", "plugins"), filepath.Join(home, ".local", "share", "terraform", "plugins"),
			"/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins",
		} {
			if root != "" { // HOST/hashicorp/NAME/VERSION/PLATFORM/PROGRAM
				patterns = append(patterns, filepath.Join(root, "*", "hashicorp", name, "*", "*", binary))
			}
		}
	}
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil || len(matches) == 0 {
			continue
		}
		path, err := filepath.Abs(matches[len(matches)-1]) // the newest version, by name
		return path, err == nil
	}
	return "", false
}
