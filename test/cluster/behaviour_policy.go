package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// behaviourPolicy marks pods when they are created, inside the API server, so that nobody ever sees a pod without its
// mark. A wish of the namespace comes before what the image name says.
func behaviourPolicy() *admissionv1.MutatingAdmissionPolicy {
	fail := admissionv1.Fail
	images := make([]string, 0, len(behaviours))
	for _, b := range behaviours {
		images = append(images, fmt.Sprintf(`variables.images.exists(i, i.contains("/%s")) ? "%s" : `, b, b))
	}
	return &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: behaviourConfigMap},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			ParamKind: &admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"},
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				},
			}}},
			Variables: []admissionv1.Variable{
				{Name: "images", Expression: `object.spec.containers.map(c, c.image) + ` +
					`(has(object.spec.initContainers) ? object.spec.initContainers.map(c, c.image) : [])`},
				{Name: "job", Expression: `has(object.metadata.ownerReferences) && ` +
					`object.metadata.ownerReferences.exists(o, o.kind == "Job")`},
				{Name: "target", Expression: fmt.Sprintf(`has(object.metadata.annotations) && %q in object.metadata.annotations ? `+
					`object.metadata.annotations[%q] : request.namespace`, probeKey, probeKey)},
				{Name: "wish", Expression: `has(params.data) && variables.target in params.data ? params.data[variables.target] : ` +
					fmt.Sprintf(`has(namespaceObject.metadata.annotations) && %q in namespaceObject.metadata.annotations ? `, behaviourKey) +
					fmt.Sprintf(`namespaceObject.metadata.annotations[%q] : ""`, behaviourKey)},
				{Name: "image", Expression: strings.Join(images, "") + `""`},
				{Name: "wanted", Expression: `variables.wish != "" ? variables.wish : variables.image`},
				{Name: "behaviour", Expression: fmt.Sprintf(`variables.wanted == "%s" && !variables.job ? "" : variables.wanted`, jobFails)},
			},
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch,
				JSONPatch: &admissionv1.JSONPatch{Expression: `variables.behaviour == "" ? [] : (` +
					patchWhen(`!has(object.metadata.annotations)`, `/metadata/annotations`, ``, `{}`) + ` + ` +
					patchWhen(`true`, `/metadata/annotations/`, behaviourKey, `variables.behaviour`) + ` + ` +
					patchWhen(`true`, `/metadata/annotations/`, becauseKey,
						fmt.Sprintf(`variables.wish != "" ? "%s" : "%s"`, becauseNamespace, becauseImage)) + ` + ` +
					patchWhen(fmt.Sprintf(`variables.behaviour == "%s" && !has(object.spec.nodeSelector)`, unschedulable),
						`/spec/nodeSelector`, ``, `{}`) + ` + ` +
					patchWhen(fmt.Sprintf(`variables.behaviour == "%s"`, unschedulable), `/spec/nodeSelector/`, nowhereKey, `"true"`) + `)`},
			}},
			FailurePolicy:      &fail,
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		},
	}
}

// patchWhen is the CEL expression of a list with one patch, which adds a value, or none.
func patchWhen(condition, path, key, value string) string {
	return fmt.Sprintf(`(%s ? [JSONPatch{op: "add", path: %q + jsonpatch.escapeKey(%q), value: %s}] : [])`, condition, path, key, value)
}

// createBehaviourPolicy installs the policy and the ConfigMap it reads.
func createBehaviourPolicy(ctx context.Context, client kubernetes.Interface) error {
	options := metav1.CreateOptions{}
	_, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: behaviourConfigMap, Namespace: metav1.NamespaceSystem},
	}, options)
	if err != nil {
		return err
	}
	policies := client.AdmissionregistrationV1()
	if _, err := policies.MutatingAdmissionPolicies().Create(ctx, behaviourPolicy(), options); err != nil {
		return err
	}
	allow := admissionv1.AllowAction
	_, err = policies.MutatingAdmissionPolicyBindings().Create(ctx, &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: behaviourConfigMap},
		Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{
			PolicyName: behaviourConfigMap,
			ParamRef: &admissionv1.ParamRef{
				Name: behaviourConfigMap, Namespace: metav1.NamespaceSystem, ParameterNotFoundAction: &allow,
			},
		},
	}, options)
	return err
}

// waitForBehaviourPolicy returns when the API server applies the policy. Nothing reports that, so it is tried out.
func waitForBehaviourPolicy(ctx context.Context, client kubernetes.Interface) error {
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-", Namespace: metav1.NamespaceSystem},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "testcluster/" + string(neverPull)}}},
	}
	const interval = 50 * time.Millisecond
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		pod, err := client.CoreV1().Pods(metav1.NamespaceSystem).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return false, nil // the namespace has no service account yet
		}
		if err != nil {
			return false, err
		}
		return pod.Annotations[behaviourKey] == string(neverPull), nil
	})
	if err != nil {
		return fmt.Errorf("wait for the behaviour policy: %w", err)
	}
	return nil
}
