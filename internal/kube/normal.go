package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// digestLength is that of a shortened SHA-256 in hexadecimal digits: enough to tell versions of one object apart.
const digestLength = 12

// Digest is the fingerprint of what an object should be.
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
	object, err := typed(live)
	if err != nil {
		return nil, err
	}
	if err := strip(object); err != nil {
		return nil, err
	}
	normal, err := toUnstructured(object, live.GroupVersionKind())
	if err == nil {
		delete(normal.Object, "status")
	}
	return normal, err
}

// typed is a copy of an object as the type of its kind, or as it is when the kind is not a well-known one.
func typed(object *unstructured.Unstructured) (runtime.Object, error) {
	gvk := object.GroupVersionKind()
	if !scheme.Scheme.Recognizes(gvk) {
		return object.DeepCopy(), nil
	}
	out, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, out); err != nil {
		return nil, fmt.Errorf("read %s: %w", where(RefOf(object)), err)
	}
	return out, nil
}

// strip brings a live object into normal form, in place.
func strip(object runtime.Object) error {
	metadata, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if _, ok := object.(*unstructured.Unstructured); !ok {
		object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // items of a list have none
	}
	metadata.SetManagedFields(nil)
	metadata.SetResourceVersion("")
	metadata.SetGeneration(0)
	metadata.SetCreationTimestamp(metav1.Time{})
	metadata.SetDeletionTimestamp(nil)
	metadata.SetDeletionGracePeriodSeconds(nil)
	metadata.SetUID("")
	metadata.SetSelfLink("")
	metadata.SetFinalizers(nil)
	metadata.SetOwnerReferences(nil)
	metadata.SetAnnotations(without(metadata.GetAnnotations(), controllerAnnotation))
	switch object := object.(type) {
	case *unstructured.Unstructured:
		delete(object.Object, "status")
	case *corev1.Namespace:
		object.Spec = corev1.NamespaceSpec{} // the finalizer of the namespace controller
		object.Status = corev1.NamespaceStatus{}
	case *corev1.PersistentVolumeClaim:
		object.Spec.VolumeName = "" // the binder's
		object.Status = corev1.PersistentVolumeClaimStatus{}
	default:
		if status := reflect.ValueOf(object).Elem().FieldByName("Status"); status.IsValid() {
			status.SetZero()
		}
	}
	return nil
}

// without returns a map without the keys that drop tells; nil when nothing is left. The map itself stays as it is.
func without(in map[string]string, drop func(key string) bool) map[string]string {
	var out map[string]string
	for key, value := range in {
		if drop(key) {
			continue
		}
		if out == nil {
			out = make(map[string]string, len(in))
		}
		out[key] = value
	}
	return out
}

// LiveDigest is the fingerprint of a live object: of its [Normal] form without the labels and annotations of others. The number of
// replicas is kept apart from the rest: see [SameButScaled].
func (c *Cluster) LiveDigest(live *unstructured.Unstructured) (string, error) {
	object, err := typed(live)
	if err != nil {
		return "", err
	}
	return c.liveDigest(object)
}

// liveDigest uses the object up.
func (c *Cluster) liveDigest(object runtime.Object) (string, error) {
	if err := c.dropForeignMetadata(object); err != nil {
		return "", err
	}
	if err := strip(object); err != nil {
		return "", err
	}
	scale := ""
	switch object := object.(type) {
	case *appsv1.Deployment:
		scale, object.Spec.Replicas = scaleOf(object.Spec.Replicas), nil
	case *appsv1.StatefulSet:
		scale, object.Spec.Replicas = scaleOf(object.Spec.Replicas), nil
	}
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(object); err != nil { // maps are encoded in the order of their keys
		return "", fmt.Errorf("encode an object of type %T: %w", object, err)
	}
	return hex.EncodeToString(hash.Sum(nil))[:digestLength] + scale, nil
}

const scaleMark = "*"

func scaleOf(replicas *int32) string {
	if replicas == nil {
		return scaleMark
	}
	return scaleMark + strconv.Itoa(int(*replicas))
}

// SameButScaled tells whether two live digests differ in nothing but the number of replicas.
func SameButScaled(a, b string) bool {
	a, _, _ = strings.Cut(a, scaleMark)
	b, _, _ = strings.Cut(b, scaleMark)
	return a == b
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
