package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// RefOf names an object.
func RefOf(object *unstructured.Unstructured) spec.ObjectRef {
	return spec.ObjectRef{APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName()}
}

// Get reads one object. An object that does not exist is a NotFound of apimachinery's errors.
func (c *Cluster) Get(ctx context.Context, ref spec.ObjectRef) (*unstructured.Unstructured, error) {
	client, err := c.client(ref)
	if err != nil {
		return nil, err
	}
	object, err := client.Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", where(ref), c.readError(err))
	}
	return object, nil
}

// Create makes an object and fails with AlreadyExists when there is one of that name.
func (c *Cluster) Create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	ref := RefOf(object)
	client, err := c.client(ref)
	if err != nil {
		return nil, err
	}
	created, err := client.Create(ctx, object, metav1.CreateOptions{FieldManager: c.Manager, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", where(ref), err)
	}
	return created, nil
}

// Apply makes an object what it should be by server-side apply, and takes over the fields that it sets from other managers:
// that is how drift is repaired.
func (c *Cluster) Apply(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.apply(ctx, object, nil)
}

// DryRun tells what [Cluster.Apply] would make of an object. It runs admission and writes nothing.
func (c *Cluster) DryRun(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.apply(ctx, object, []string{metav1.DryRunAll})
}

func (c *Cluster) apply(ctx context.Context, object *unstructured.Unstructured, dryRun []string) (*unstructured.Unstructured, error) {
	ref := RefOf(object)
	client, err := c.client(ref)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", where(ref), err)
	}
	force := true
	var applied *unstructured.Unstructured
	// Quota admission answers 409 when it loses a race with another request of the namespace.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		applied, err = client.Patch(ctx, ref.Name, types.ApplyPatchType, data, metav1.PatchOptions{
			FieldManager: c.Manager, Force: &force, DryRun: dryRun, FieldValidation: metav1.FieldValidationStrict,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", where(ref), err)
	}
	return applied, nil
}

// Remove removes fields, given as JSON pointers, from an object that is still at that resource version.
func (c *Cluster) Remove(ctx context.Context, ref spec.ObjectRef, resourceVersion string, pointers []string) error {
	_, err := c.remove(ctx, ref, resourceVersion, pointers, nil)
	return err
}

// DryRemove tells what [Cluster.Remove] would make of an object. It writes nothing.
func (c *Cluster) DryRemove(ctx context.Context, ref spec.ObjectRef, resourceVersion string, pointers []string) (*unstructured.Unstructured, error) {
	return c.remove(ctx, ref, resourceVersion, pointers, []string{metav1.DryRunAll})
}

func (c *Cluster) remove(ctx context.Context, ref spec.ObjectRef, resourceVersion string, pointers, dryRun []string) (*unstructured.Unstructured, error) {
	client, err := c.client(ref)
	if err != nil {
		return nil, err
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	patch := []operation{{"test", "/metadata/resourceVersion", resourceVersion}}
	for _, pointer := range pointers {
		patch = append(patch, operation{Op: "remove", Path: pointer})
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encode patch of %s: %w", where(ref), err)
	}
	removed, err := client.Patch(ctx, ref.Name, types.JSONPatchType, data, metav1.PatchOptions{FieldManager: c.Manager, DryRun: dryRun})
	if err != nil {
		return nil, fmt.Errorf("remove %s from %s: %w", strings.Join(pointers, ", "), where(ref), err)
	}
	return removed, nil
}

// Patch merges data, a JSON merge patch, into an object.
func (c *Cluster) Patch(ctx context.Context, ref spec.ObjectRef, data map[string]any) error {
	client, err := c.client(ref)
	if err != nil {
		return err
	}
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode patch of %s: %w", where(ref), err)
	}
	if _, err := client.Patch(ctx, ref.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: c.Manager}); err != nil {
		return fmt.Errorf("change %s: %w", where(ref), err)
	}
	return nil
}

// Delete deletes exactly the object with that UID, any of that name when uid is empty. An object that is gone already is no
// error.
func (c *Cluster) Delete(ctx context.Context, ref spec.ObjectRef, uid types.UID) error {
	client, err := c.client(ref)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	if err := client.Delete(ctx, ref.Name, options); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", where(ref), err)
	}
	return nil
}

func (c *Cluster) client(ref spec.ObjectRef) (dynamic.ResourceInterface, error) {
	kind, err := c.kindOf(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	if err != nil {
		return nil, err
	}
	client := c.Dynamic.Resource(kind.GroupVersionResource())
	if kind.Namespaced {
		return client.Namespace(ref.Namespace), nil
	}
	return client, nil
}

func where(ref spec.ObjectRef) string {
	if ref.Namespace == "" {
		return ref.String()
	}
	return fmt.Sprintf("%s in namespace %s", ref, ref.Namespace)
}
