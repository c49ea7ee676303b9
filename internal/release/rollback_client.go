package release

import (
	"fmt"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	cliresource "k8s.io/cli-runtime/pkg/resource"
)

// rollbackClient is Helm's client for a rollback. It leaves alone the volume claims that have grown since: Kubernetes lets none ask for
// less than it has, and one that is refused would keep everything else from going back.
type rollbackClient struct{ client }

// Update implements [helmkube.Interface].
func (c rollbackClient) Update(original, target helmkube.ResourceList, force bool) (*helmkube.Result, error) {
	grown := make(map[string]bool)
	for _, claim := range target.Filter(isClaim) {
		live, err := cliresource.NewHelper(claim.Client, claim.Mapping).Get(claim.Namespace, claim.Name)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return &helmkube.Result{}, fmt.Errorf("read PersistentVolumeClaim/%s: %w", claim.Name, err)
		}
		has, err := storageOf(live)
		if err != nil {
			return &helmkube.Result{}, err
		}
		wants, err := storageOf(claim.Object)
		if err != nil {
			return &helmkube.Result{}, err
		}
		grown[claim.Name] = has.Cmp(wants) > 0
	}
	others := func(info *cliresource.Info) bool { return !isClaim(info) || !grown[info.Name] }
	return c.client.Update(original.Filter(others), target.Filter(others), force)
}

func isClaim(info *cliresource.Info) bool {
	return info.Mapping.GroupVersionKind.Group == "" && info.Mapping.GroupVersionKind.Kind == "PersistentVolumeClaim"
}

// storageOf is what a claim asks for.
func storageOf(claim runtime.Object) (resource.Quantity, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(claim)
	if err != nil {
		return resource.Quantity{}, err
	}
	text, found, err := unstructured.NestedString(content, "spec", "resources", "requests", "storage")
	if err != nil || !found {
		return resource.Quantity{}, err
	}
	return resource.ParseQuantity(text)
}
