package provider

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Each thing that is changed by hand is planned, by the name of its object, repaired, and then there is nothing to do.
func TestAccStoreDrift(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := a.config(a.store("woocommerce", wooCommerceBlock()).resource("storeplatform_store"))
	byHand := metav1.PatchOptions{FieldManager: "kubectl-edit"}
	namespace := "store-" + a.name
	steps := []resource.TestStep{{Config: config, ConfigPlanChecks: emptyAfter}}
	for _, drift := range []struct {
		object string
		change func(context.Context, kubernetes.Interface) error
	}{
		{"ResourceQuota/services", func(ctx context.Context, c kubernetes.Interface) error {
			return c.CoreV1().ResourceQuotas(namespace).Delete(ctx, "services", metav1.DeleteOptions{})
		}},
		{"NetworkPolicy/default-deny", func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.NetworkingV1().NetworkPolicies(namespace).Patch(ctx, "default-deny", types.MergePatchType, []byte(`{"spec":{"ingress":[{}]}}`), byHand)
			return err
		}},
		{"Deployment/web", func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.AppsV1().Deployments(namespace).Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), byHand)
			return err
		}},
		{"Deployment/web", func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.AppsV1().Deployments(namespace).UpdateScale(ctx, "web", &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 3},
			}, metav1.UpdateOptions{})
			return err
		}},
		{"Namespace/" + namespace, func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`), byHand)
			return err
		}},
		{"Secret/credentials", func(ctx context.Context, c kubernetes.Interface) error {
			return c.CoreV1().Secrets(namespace).Delete(ctx, "credentials", metav1.DeleteOptions{})
		}},
	} {
		steps = append(steps, resource.TestStep{
			PreConfig: func() {
				if err := drift.change(t.Context(), a.cluster.Client()); err != nil {
					t.Fatalf("change %s by hand: %v", drift.object, err)
				}
			},
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(storeAddress, plancheck.ResourceActionUpdate), onlyObject(drift.object)},
				PostApplyPreRefresh:  emptyAfter.PostApplyPreRefresh,
				PostApplyPostRefresh: emptyAfter.PostApplyPostRefresh,
			},
		})
	}
	// Somebody deletes the whole store: it is planned to be created again.
	steps = append(steps, resource.TestStep{
		PreConfig: func() {
			if err := a.deleteNamespace(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		Config: config,
		ConfigPlanChecks: resource.ConfigPlanChecks{
			PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(storeAddress, plancheck.ResourceActionCreate)},
			PostApplyPreRefresh:  emptyAfter.PostApplyPreRefresh,
			PostApplyPostRefresh: emptyAfter.PostApplyPostRefresh,
		},
	})
	a.run(t, steps...)
}

// onlyObject checks that a plan changes exactly that object of the store.
func onlyObject(key string) plancheck.PlanCheck { return objectCheck(key) }

type objectCheck string

func (want objectCheck) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, change := range req.Plan.ResourceChanges {
		if change.Address != storeAddress {
			continue
		}
		before, after := objectsOf(change.Change.Before), objectsOf(change.Change.After)
		for key := range before {
			if (before[key] != after[key]) != (key == string(want)) {
				resp.Error = errObject{key: key, before: before[key], after: after[key]}
			}
		}
		return
	}
}

func objectsOf(values any) map[string]any {
	attributes, ok := values.(map[string]any)
	if !ok {
		return nil
	}
	objects, ok := attributes["objects"].(map[string]any)
	if !ok {
		return nil
	}
	return objects
}

type errObject struct {
	key           string
	before, after any
}

func (e errObject) Error() string {
	return "the plan is wrong about " + e.key + ": " + text(e.before) + " -> " + text(e.after)
}

func text(v any) string {
	s, ok := v.(string)
	if !ok {
		return "(absent)"
	}
	return s
}
