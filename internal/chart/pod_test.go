package chart_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
)

// workload is an object that makes pods.
type workload struct {
	ref      string
	template corev1.PodTemplateSpec
	replicas int
	surge    int
	job      *batchv1.JobSpec // of Jobs and CronJobs
}

func workloads(t *testing.T, objects []*unstructured.Unstructured) []workload {
	t.Helper()
	var all []workload
	for _, o := range objects {
		w := workload{ref: o.GetKind() + "/" + o.GetName(), replicas: 1}
		switch o.GetKind() {
		case "Deployment":
			d := typed[appsv1.Deployment](t, o)
			w.template, w.replicas = d.Spec.Template, int(*d.Spec.Replicas)
			if d.Spec.Strategy.RollingUpdate != nil {
				w.surge = d.Spec.Strategy.RollingUpdate.MaxSurge.IntValue()
			}
		case "StatefulSet":
			s := typed[appsv1.StatefulSet](t, o)
			w.template, w.replicas = s.Spec.Template, int(*s.Spec.Replicas)
		case "Job":
			j := typed[batchv1.Job](t, o)
			w.template, w.job = j.Spec.Template, &j.Spec
		case "CronJob":
			c := typed[batchv1.CronJob](t, o)
			w.template, w.job = c.Spec.JobTemplate.Spec.Template, &c.Spec.JobTemplate.Spec
		default:
			continue
		}
		all = append(all, w)
	}
	return all
}

func typed[T any](t *testing.T, o *unstructured.Unstructured) T {
	t.Helper()
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &out); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return out
}

func containersOf(spec corev1.PodSpec) []corev1.Container {
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// TestPodSecurity asks the library that the API server itself enforces the restricted standard with, at the version that
// store namespaces pin and at the latest.
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	versions := []api.Version{api.LatestVersion()}
	pinned, err := api.ParseVersion(blueprintOf(t, store(woo())).Namespace.GetLabels()["pod-security.kubernetes.io/enforce-version"])
	if err != nil {
		t.Fatal(err)
	}
	versions = append(versions, pinned)
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			all := workloads(t, render(t, blueprintOf(t, s).Values))
			if len(all) < 3 {
				t.Fatalf("only %d workloads", len(all))
			}
			for _, w := range all {
				for _, version := range versions {
					results := evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: version}, &w.template.ObjectMeta, &w.template.Spec)
					for _, result := range results {
						if !result.Allowed {
							t.Errorf("%s at %s: %s: %s", w.ref, version.String(), result.ForbiddenReason, result.ForbiddenDetail)
						}
					}
				}
			}
		})
	}
}

// TestHardening checks what the standard does not ask for.
func TestHardening(t *testing.T) {
	uids := map[string]int64{"web": 33, "job": 33, "database": 999, "cache": 999, "server": 1000, "worker": 1000}
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			for _, w := range workloads(t, render(t, blueprintOf(t, s).Values)) {
				spec := w.template.Spec
				component := w.template.Labels[blueprint.LabelComponent]
				want := uids[component]
				if s.Engine.Kind() == "medusa" && component == "job" {
					want = 1000
				}
				if c := spec.SecurityContext; *c.RunAsUser != want || *c.RunAsGroup != want || *c.FSGroup != want {
					t.Errorf("%s: uid %d, gid %d, fsGroup %d, want %d", w.ref, *c.RunAsUser, *c.RunAsGroup, *c.FSGroup, want)
				}
				if *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks || spec.ServiceAccountName != blueprint.ServiceAccount {
					t.Errorf("%s: must run as service account %q without token and service links", w.ref, blueprint.ServiceAccount)
				}
				for key, value := range map[string]string{blueprint.LabelFleet: "production", blueprint.LabelStore: "acme"} {
					if w.template.Labels[key] != value {
						t.Errorf("%s: pod label %s is %q, want %q", w.ref, key, w.template.Labels[key], value)
					}
				}
				for _, c := range containersOf(spec) {
					if !*c.SecurityContext.ReadOnlyRootFilesystem {
						t.Errorf("%s: container %s can write to its root", w.ref, c.Name)
					}
					if drop := c.SecurityContext.Capabilities.Drop; len(drop) != 1 || drop[0] != "ALL" {
						t.Errorf("%s: container %s drops %v, want ALL", w.ref, c.Name, drop)
					}
					if strings.HasSuffix(c.Image, ":latest") || !strings.Contains(c.Image, ":") {
						t.Errorf("%s: container %s has the moving image %s", w.ref, c.Name, c.Image)
					}
					for _, e := range c.Env {
						if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
							t.Errorf("%s: container %s has a secret in its environment, where every child and crash dump sees it", w.ref, c.Name)
						}
					}
				}
				for _, v := range spec.Volumes {
					if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
						t.Errorf("%s: volume %s could fill the node's disk", w.ref, v.Name)
					}
				}
			}
		})
	}
}

// TestDeadlines checks what the scopes of the quotas look at: a deadline of the pod itself.
func TestDeadlines(t *testing.T) {
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			for _, w := range workloads(t, render(t, blueprintOf(t, s).Values)) {
				deadline := w.template.Spec.ActiveDeadlineSeconds
				if w.job == nil {
					if deadline != nil {
						t.Errorf("%s: a deadline would end the shop and count it as a Job", w.ref)
					}
					continue
				}
				if deadline == nil || *deadline <= 0 {
					t.Errorf("%s: without a deadline of its own the pod counts against the shop's room", w.ref)
				}
				if w.job.ActiveDeadlineSeconds == nil {
					t.Errorf("%s: a pod that is never scheduled would wait for ever", w.ref)
				}
				if w.template.Labels[blueprint.LabelComponent] != "job" {
					t.Errorf("%s: the policies of Jobs do not select it", w.ref)
				}
			}
		})
	}
}

// TestSelectors checks that every Service and every affinity finds the pods that it means, and no Job's.
func TestSelectors(t *testing.T) {
	for name, s := range stores() {
		t.Run(name, func(t *testing.T) {
			objects := render(t, blueprintOf(t, s).Values)
			ports := make(map[string][]string) // component -> names of its ports
			for _, w := range workloads(t, objects) {
				component := w.template.Labels[blueprint.LabelComponent]
				for _, c := range w.template.Spec.Containers {
					for _, p := range c.Ports {
						ports[component] = append(ports[component], p.Name)
					}
				}
			}
			for _, o := range objects {
				if o.GetKind() != "Service" {
					continue
				}
				service := typed[corev1.Service](t, o)
				component := service.Spec.Selector[blueprint.LabelComponent]
				if component == "job" || !slices.Contains(ports[component], service.Spec.Ports[0].TargetPort.StrVal) {
					t.Errorf("Service %s selects %q, which has ports %v", service.Name, component, ports[component])
				}
			}
			for _, w := range workloads(t, objects) {
				shares := slices.ContainsFunc(w.template.Spec.Volumes, func(v corev1.Volume) bool {
					return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == "content"
				})
				if beside := w.template.Spec.Affinity != nil; beside != shares {
					t.Errorf("%s: shares the content volume: %t, stays on its node: %t", w.ref, shares, beside)
				}
			}
		})
	}
}
