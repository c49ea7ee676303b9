package explain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// isDefaultStorage is the annotation of the StorageClass of claims that name none.
const isDefaultStorage = "storageclass.kubernetes.io/is-default-class"

func claimRef(c *corev1.PersistentVolumeClaim) spec.ObjectRef {
	return ref("v1", "PersistentVolumeClaim", c.Namespace, c.Name)
}

// unprovisioned returns what the cluster says of a claim that gets no volume. "FailedBinding" of a claim that names no class is not
// a warning.
func (w Workloads) unprovisioned(c *corev1.PersistentVolumeClaim) *corev1.Event {
	if c.Status.Phase != corev1.ClaimPending {
		return nil
	}
	object := claimRef(c)
	if event := w.latest(object); event != nil {
		return event
	}
	return w.latest(object, "FailedBinding")
}

// NeedsClasses tells whether the storage classes of the cluster would tell more.
func (w Workloads) NeedsClasses() bool {
	return slices.ContainsFunc(w.Claims, func(c *corev1.PersistentVolumeClaim) bool { return w.unprovisioned(c) != nil })
}

// claimFindings names the claims that get no volume, but not those that wait for their first pod.
func (w Workloads) claimFindings() []Finding {
	var out []Finding
	for _, c := range w.Claims {
		event := w.unprovisioned(c)
		if event == nil && c.Status.Phase == corev1.ClaimPending {
			event = w.latest(claimRef(c), "ExternalProvisioning") // a provisioner was asked and did not answer yet, or is not there
		}
		if event == nil {
			continue
		}
		if class, missing := w.missingClass(c); missing {
			out = append(out, find(NoStorageClass, claimRef(c), event.Message, "{class}", class))
			continue
		}
		out = append(out, find(ClaimUnbound, claimRef(c), event.Message))
	}
	return out
}

// missingClass names the class of a claim when the cluster does not have it. A volume that somebody made by hand needs no class.
func (w Workloads) missingClass(c *corev1.PersistentVolumeClaim) (string, bool) {
	if w.StorageClasses == nil || c.Spec.VolumeName != "" {
		return "", false
	}
	if c.Spec.StorageClassName == nil {
		return "(the default)", !slices.ContainsFunc(w.StorageClasses, func(s *storagev1.StorageClass) bool {
			return s.Annotations[isDefaultStorage] == "true"
		})
	}
	name := *c.Spec.StorageClassName
	return name, name != "" && !slices.ContainsFunc(w.StorageClasses, func(s *storagev1.StorageClass) bool { return s.Name == name })
}

// serviceFindings names the Services that lead nowhere.
func (w Workloads) serviceFindings() []Finding {
	var out []Finding
	for _, s := range w.Services {
		object := ref("v1", "Service", s.Namespace, s.Name)
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Status.LoadBalancer.Ingress) == 0 {
			evidence := ""
			if event := w.latest(object); event != nil {
				evidence = event.Message
			}
			out = append(out, find(NoLoadBalancer, object, evidence))
		}
		if w.EndpointSlices == nil || len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName || w.served(s) {
			continue
		}
		selector, matching := labels.SelectorFromSet(s.Spec.Selector), 0
		for _, p := range w.Pods {
			if selector.Matches(labels.Set(p.Labels)) {
				matching++
			}
		}
		evidence := fmt.Sprintf("no pod has the labels %s", selector)
		if matching > 0 {
			evidence = fmt.Sprintf("%d pods have the labels %s, none is ready", matching, selector)
		}
		out = append(out, find(NoEndpoints, object, evidence))
	}
	return out
}

// served tells whether a ready pod is behind a Service. Ready means yes where it is not said.
func (w Workloads) served(s *corev1.Service) bool {
	return slices.ContainsFunc(w.EndpointSlices, func(slice *discoveryv1.EndpointSlice) bool {
		return slice.Labels[discoveryv1.LabelServiceName] == s.Name &&
			slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready })
	})
}

// ingressFindings names the Ingresses that nobody serves or that lead nowhere.
func (w Workloads) ingressFindings() []Finding {
	var out []Finding
	for _, i := range w.Ingresses {
		object := ref("networking.k8s.io/v1", "Ingress", i.Namespace, i.Name)
		if class, missing := w.missingIngressClass(i); missing {
			out = append(out, find(NoIngressClass, object, "", "{class}", class))
		}
		if name := w.missingService(i); name != "" {
			out = append(out, find(NoService, object, "", "{service}", name))
		}
	}
	return out
}

func (w Workloads) missingIngressClass(i *networkingv1.Ingress) (string, bool) {
	// The annotation is older than the field, and controllers that know it need no IngressClass.
	if w.IngressClasses == nil || i.Annotations["kubernetes.io/ingress.class"] != "" {
		return "", false
	}
	if i.Spec.IngressClassName == nil {
		return "(the default)", !slices.ContainsFunc(w.IngressClasses, func(c *networkingv1.IngressClass) bool {
			return c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true"
		})
	}
	name := *i.Spec.IngressClassName
	return name, !slices.ContainsFunc(w.IngressClasses, func(c *networkingv1.IngressClass) bool { return c.Name == name })
}

// missingService returns the first Service that an Ingress leads to and that is not there.
func (w Workloads) missingService(i *networkingv1.Ingress) string {
	if w.Services == nil {
		return ""
	}
	for _, rule := range i.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			backend := path.Backend.Service
			if backend != nil && !slices.ContainsFunc(w.Services, func(s *corev1.Service) bool { return s.Name == backend.Name }) {
				return backend.Name
			}
		}
	}
	return ""
}
