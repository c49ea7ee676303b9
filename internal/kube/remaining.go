package kube

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Remnant is an object of a namespace that is being deleted and has not gone yet.
type Remnant struct {
	Ref        spec.ObjectRef
	Finalizers []string // who has to let it go
}

// Remnants lists what is left in a namespace, of every kind that the cluster has, what waits for finalizers first. What the account
// may not read, or is not read in time, is left out.
func (c *Cluster) Remnants(ctx context.Context, namespace string) []Remnant {
	lists, err := c.Discovery.ServerPreferredNamespacedResources()
	if err != nil && len(lists) == 0 {
		return nil
	}
	var out []Remnant
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			objects, err := c.Metadata.Resource(gv.WithResource(resource.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 100})
			if err != nil {
				continue
			}
			for _, object := range objects.Items {
				ref := spec.ObjectRef{APIVersion: list.GroupVersion, Kind: resource.Kind, Namespace: namespace, Name: object.Name}
				out = append(out, Remnant{Ref: ref, Finalizers: object.Finalizers})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Remnant) int {
		if order := len(b.Finalizers) - len(a.Finalizers); order != 0 {
			return order
		}
		return strings.Compare(a.Ref.String(), b.Ref.String())
	})
	return out
}
