package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// digestLength is that of a shortened SHA-256 in hexadecimal digits: enough to tell versions of one object apart.
const digestLength = 12

// Digest is the fingerprint of what an object should be, or of what is left of a live one by [Normal].
func Digest(object *unstructured.Unstructured) (string, error) {
	data, err := json.Marshal(object.Object) // maps are encoded in the order of their keys
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", where(RefOf(object)), err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:digestLength], nil
}

// Normal is a copy of a live object without what Kubernetes keeps for itself: status, versions, ownership of fields, and what
// its controllers write into specifications. Well-known kinds are spelt the same however they were read.
func Normal(live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(live.Object)}
	if gvk := object.GroupVersionKind(); scheme.Scheme.Recognizes(gvk) {
		typed, err := scheme.Scheme.New(gvk)
		if err != nil {
			return nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
			return nil, fmt.Errorf("read %s: %w", where(RefOf(live)), err)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", where(RefOf(live)), err)
		}
		object.Object = content
		object.SetGroupVersionKind(gvk)
	}
	delete(object.Object, "status")
	if metadata, ok := object.Object["metadata"].(map[string]any); ok {
		for _, field := range []string{
			"managedFields", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
			"deletionGracePeriodSeconds", "uid", "selfLink", "finalizers", "ownerReferences",
		} {
			delete(metadata, field)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			for key := range annotations {
				if controllerAnnotation(key) {
					delete(annotations, key)
				}
			}
			if len(annotations) == 0 {
				delete(metadata, "annotations")
			}
		}
	}
	switch object.GetKind() {
	case "PersistentVolumeClaim":
		unstructured.RemoveNestedField(object.Object, "spec", "volumeName") // the binder's
	case "Namespace":
		delete(object.Object, "spec") // the finalizer of the namespace controller
	}
	return object, nil
}

// controllerAnnotation tells the annotations that Kubernetes' own controllers keep on objects of others.
func controllerAnnotation(key string) bool {
	switch {
	case key == "deployment.kubernetes.io/revision",
		strings.HasPrefix(key, "pv.kubernetes.io/"),
		strings.HasPrefix(key, "volume.kubernetes.io/"),
		strings.HasPrefix(key, "volume.beta.kubernetes.io/"),
		strings.HasPrefix(key, "batch.kubernetes.io/"):
		return true
	}
	return false
}
