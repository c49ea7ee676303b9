package kube

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// controllers are Kubernetes' own field managers, and those of volume provisioners of k3s. What they write is no drift.
func controllers(manager string) bool {
	switch manager {
	case "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "k3s", "local-path-provisioner":
		return true
	}
	return false
}

// statusSubresource is the subresource through which controllers say how an object fares.
const statusSubresource = "status"

// foreign tells whether a manager other than ours and Kubernetes' own set any field of a live object, its status aside. What goes
// through another subresource, as kubectl scale does, changes the object itself.
func (c *Cluster) foreign(live metav1.Object) bool {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != c.Manager && !controllers(entry.Manager) && entry.Subresource != statusSubresource {
			return true
		}
	}
	return false
}

// Field is one field of a live object that somebody else set.
type Field struct {
	Path    string // "spec.hard.limits.cpu", "spec.template.spec.containers[name=sidecar]"
	Pointer string // the same as a JSON pointer
	Value   any
	Manager string
	When    time.Time

	path fieldpath.Path
}

// In returns the value of the field in another version of its object.
func (f Field) In(object *unstructured.Unstructured) any {
	v, _, _ := resolve(object.Object, f.path)
	return v
}

// Additions returns the fields of a live object that others added to what desired says. Fields that desired sets are no
// additions, whoever owns them; annotations and labels of others are theirs, ours (storeplatform.io/ and Pod Security's) are not.
func (c *Cluster) Additions(live, desired *unstructured.Unstructured) ([]Field, error) {
	var fields []Field
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == c.Manager || controllers(entry.Manager) || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		set := new(fieldpath.Set)
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return nil, fmt.Errorf("read field owners of %s: %w", where(RefOf(live)), err)
		}
		var when time.Time
		if entry.Time != nil {
			when = entry.Time.Time
		}
		set.Iterate(func(path fieldpath.Path) {
			if tolerated(path) {
				return
			}
			v, pointer, found := resolve(live.Object, path)
			if !found {
				return
			}
			if _, _, set := resolve(desired.Object, path); set {
				return
			}
			fields = append(fields, Field{Path: pathText(path), Pointer: pointer, Value: v, Manager: entry.Manager, When: when, path: path.Copy()})
		})
	}
	return outermost(fields), nil
}

// Owner returns who last set the field at a dotted path as [Compare] prints it, something in it, or the field that it is a part
// of when that has one owner as a whole.
func Owner(live *unstructured.Unstructured, path string) (manager string, when time.Time) {
	for _, entry := range live.GetManagedFields() {
		if entry.Subresource == statusSubresource || entry.FieldsV1 == nil {
			continue
		}
		set := new(fieldpath.Set)
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			continue // the owner is a courtesy: a field without one is shown without
		}
		set.Leaves().Iterate(func(p fieldpath.Path) {
			text := pathText(p)
			if !Within(text, path) && !Within(path, text) {
				return
			}
			if entry.Time != nil && entry.Time.After(when) {
				manager, when = entry.Manager, entry.Time.Time
			}
		})
	}
	return manager, when
}

// tolerated tells the paths that others may set on objects of ours: labels and annotations of their own, and annotations of
// their own on pod templates. Labels of pods are not: policies and Services select by them.
func tolerated(path fieldpath.Path) bool {
	if len(path) == 0 || path[0].FieldName == nil || *path[0].FieldName == "status" {
		return true
	}
	for i, element := range path {
		if element.FieldName == nil || *element.FieldName != "metadata" {
			continue
		}
		if i == 0 && len(path) < 3 {
			return true
		}
		if i > 0 && (len(path) < i+2 || path[i+1].FieldName == nil || *path[i+1].FieldName != "annotations") {
			return false
		}
		return len(path) < i+3 || path[i+2].FieldName == nil || !ownKey(*path[i+2].FieldName)
	}
	return false
}

// ownKey tells the labels and annotations that nobody else may set on objects of ours.
func ownKey(key string) bool {
	return strings.HasPrefix(key, "storeplatform.io/") || strings.HasPrefix(key, "pod-security.kubernetes.io/")
}

// dropForeignMetadata takes from a live object the labels and annotations that it has from others alone and may have.
func (c *Cluster) dropForeignMetadata(object runtime.Object) error {
	metadata, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if !c.foreign(metadata) {
		return nil
	}
	ours, theirs := fieldpath.NewSet(), fieldpath.NewSet()
	for _, entry := range metadata.GetManagedFields() {
		if entry.Subresource != "" || entry.FieldsV1 == nil || controllers(entry.Manager) {
			continue
		}
		set := new(fieldpath.Set)
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return fmt.Errorf("read field owners of %s: %w", metadata.GetName(), err)
		}
		if entry.Manager == c.Manager {
			ours = ours.Union(set)
		} else {
			theirs = theirs.Union(set)
		}
	}
	theirs = theirs.Difference(ours)
	drop := func(at []string, values map[string]string) map[string]string {
		return without(values, func(key string) bool {
			path := make(fieldpath.Path, 0, len(at)+1)
			for _, name := range append(at, key) {
				path = append(path, fieldpath.PathElement{FieldName: &name})
			}
			return tolerated(path) && theirs.Has(path)
		})
	}
	metadata.SetLabels(drop([]string{"metadata", "labels"}, metadata.GetLabels()))
	metadata.SetAnnotations(drop([]string{"metadata", "annotations"}, metadata.GetAnnotations()))
	if template, at := podTemplate(object); template != nil {
		template.Annotations = drop(append(at, "metadata", "annotations"), template.Annotations)
	}
	return nil
}

// podTemplate returns the pod template of a workload and where it is.
func podTemplate(object runtime.Object) (template *corev1.PodTemplateSpec, at []string) {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return &object.Spec.Template, []string{"spec", "template"}
	case *appsv1.StatefulSet:
		return &object.Spec.Template, []string{"spec", "template"}
	case *appsv1.DaemonSet:
		return &object.Spec.Template, []string{"spec", "template"}
	case *batchv1.Job:
		return &object.Spec.Template, []string{"spec", "template"}
	case *batchv1.CronJob:
		return &object.Spec.JobTemplate.Spec.Template, []string{"spec", "jobTemplate", "spec", "template"}
	}
	return nil, nil
}

// resolve follows a path in an object. The pointer addresses the value in exactly this object.
func resolve(object any, path fieldpath.Path) (v any, pointer string, found bool) {
	var b strings.Builder
	at := object
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			fields, ok := at.(map[string]any)
			if !ok {
				return nil, "", false
			}
			if at, ok = fields[*element.FieldName]; !ok {
				return nil, "", false
			}
			b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(*element.FieldName))
		default:
			items, ok := at.([]any)
			if !ok {
				return nil, "", false
			}
			i := indexOf(items, element)
			if i < 0 {
				return nil, "", false
			}
			at = items[i]
			fmt.Fprintf(&b, "/%d", i)
		}
	}
	return at, b.String(), true
}

func indexOf(items []any, element fieldpath.PathElement) int {
	for i, item := range items {
		switch {
		case element.Index != nil:
			if *element.Index == i {
				return i
			}
		case element.Value != nil:
			if value.Equals(*element.Value, value.NewValueInterface(item)) {
				return i
			}
		case element.Key != nil:
			fields, ok := item.(map[string]any)
			if ok && matches(fields, *element.Key) {
				return i
			}
		}
	}
	return -1
}

func matches(fields map[string]any, key value.FieldList) bool {
	for _, part := range key {
		got, ok := fields[part.Name]
		if !ok {
			// A key that the object leaves out has the default of its kind, as protocol TCP of a port.
			if part.Value.IsString() && part.Value.AsString() == "TCP" {
				continue
			}
			return false
		}
		if !value.Equals(value.NewValueInterface(got), part.Value) {
			return false
		}
	}
	return true
}

func pathText(path fieldpath.Path) string {
	var b strings.Builder
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(*element.FieldName)
		case element.Key != nil:
			var parts []string
			for _, part := range *element.Key {
				parts = append(parts, fmt.Sprintf("%s=%v", part.Name, part.Value.Unstructured()))
			}
			fmt.Fprintf(&b, "[%s]", strings.Join(parts, ","))
		case element.Value != nil:
			fmt.Fprintf(&b, "[%v]", (*element.Value).Unstructured())
		case element.Index != nil:
			fmt.Fprintf(&b, "[%d]", *element.Index)
		}
	}
	return b.String()
}

// outermost drops fields that lie within another one of the list: who adds a container adds its fields.
func outermost(fields []Field) []Field {
	var out []Field
	for _, field := range fields {
		inner := false
		for _, other := range fields {
			if other.Pointer != field.Pointer && strings.HasPrefix(field.Pointer, other.Pointer+"/") {
				inner = true
				break
			}
		}
		if !inner {
			out = append(out, field)
		}
	}
	return out
}
