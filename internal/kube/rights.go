package kube

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// MayPatch tells whether this account may patch an object, which no answer to a patch does: admission refuses with the code that
// stands for a lack of rights, too (403). An account that must not even ask may not.
func (c *Cluster) MayPatch(ctx context.Context, ref spec.ObjectRef) (bool, error) {
	kind, err := c.kindOf(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	if err != nil {
		return false, err
	}
	patch := &authorizationv1.ResourceAttributes{
		Verb: "patch", Group: kind.Group, Version: kind.Version, Resource: kind.Resource, Namespace: ref.Namespace, Name: ref.Name,
	}
	if kind == KnownKind("Namespace") {
		patch.Namespace = ref.Name // a namespace is in itself to the authorizers
	}
	// A review writes nothing as it is. That it says so keeps plans free of writes for all who look at requests.
	review, err := c.Typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: patch},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsForbidden(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask whether %s may be patched: %w", where(ref), err)
	}
	return review.Status.Allowed, nil
}
