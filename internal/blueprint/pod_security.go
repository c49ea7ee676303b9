package blueprint

import (
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	admission "k8s.io/pod-security-admission/policy"
)

// podTemplates says where the kinds of Kubernetes have their pods.
var podTemplates = map[string][]string{
	"Pod":                   {},
	"Deployment":            {"spec", "template"},
	"StatefulSet":           {"spec", "template"},
	"DaemonSet":             {"spec", "template"},
	"ReplicaSet":            {"spec", "template"},
	"ReplicationController": {"spec", "template"},
	"Job":                   {"spec", "template"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template"},
}

// podSecurity evaluates pods as the API server does.
var podSecurity = sync.OnceValues(func() (admission.Evaluator, error) { return admission.NewEvaluator(admission.DefaultChecks(), nil) })

// PodViolations lists what the namespace of a store will not let in of the pods of a chart: object, rule, and what container must set
// which field.
func PodViolations(objects []*unstructured.Unstructured) ([]string, error) {
	evaluator, err := podSecurity()
	if err != nil {
		return nil, err
	}
	version, err := api.ParseVersion(podSecurityVersion)
	if err != nil {
		return nil, err
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: version}
	var out []string
	for _, object := range objects {
		path, makesPods := podTemplates[object.GetKind()]
		if !makesPods {
			continue
		}
		name := object.GetKind() + "/" + object.GetName()
		content, found, err := unstructured.NestedMap(object.Object, path...)
		if err != nil || !found {
			return nil, fmt.Errorf("%s has no pod template", name)
		}
		var template corev1.PodTemplateSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &template); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				out = append(out, fmt.Sprintf("%s: %s (%s)", name, result.ForbiddenReason, result.ForbiddenDetail))
			}
		}
	}
	return out, nil
}
