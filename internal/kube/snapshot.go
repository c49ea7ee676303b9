package kube

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Item is what a snapshot keeps of one object.
type Item struct {
	Ref             spec.ObjectRef
	UID             types.UID
	ResourceVersion string
	Digest          string // see [Cluster.LiveDigest]; of UID and version for what was read as metadata
	Foreign         bool   // a manager other than ours and Kubernetes' own set some field of it
	Waiting         string // why it is not ready, in kstatus' words; empty when it is
	Kept            any    // what the query keeps of it
}

// SnapshotQuery is a query of a snapshot.
type SnapshotQuery struct {
	Query
	// Keep says what to keep of an object beside its digests: nothing when nil. It may use the object up, and must not keep
	// parts of it that it has no need for: a snapshot holds thousands.
	Keep func(metav1.Object) (any, error)
}

// Snapshot is what a cluster looked like, by namespace. A namespace itself lies under its own name.
type Snapshot struct {
	items map[string][]Item
}

// Items returns what the snapshot has of a namespace.
func (s *Snapshot) Items(namespace string) []Item { return s.items[namespace] }

// Namespaces returns the namespaces that the snapshot has anything of.
func (s *Snapshot) Namespaces() []string {
	names := make([]string, 0, len(s.items))
	for name := range s.items {
		names = append(names, name)
	}
	return names
}

// listLanes bounds how many lists run at once: gentle on the API server's priority and fairness, and on memory, for each holds a
// page.
const listLanes = 2

// Snapshot runs the queries, each in pages: those with the largest objects first, while little is kept yet.
func (c *Cluster) Snapshot(ctx context.Context, queries []SnapshotQuery) (*Snapshot, error) {
	queries = slices.Clone(queries)
	slices.SortStableFunc(queries, func(a, b SnapshotQuery) int { return cmp.Compare(a.pageSize(), b.pageSize()) })
	s := &Snapshot{items: make(map[string][]Item)}
	var mu sync.Mutex // of s.items
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listLanes)
	for _, q := range queries {
		group.Go(func() error {
			return c.list(ctx, q.Query, func(object runtime.Object) error {
				item, err := c.item(object, q)
				if err != nil {
					return err
				}
				namespace := item.Ref.Namespace
				if item.Ref.Kind == "Namespace" {
					namespace = item.Ref.Name
				}
				mu.Lock()
				defer mu.Unlock()
				s.items[namespace] = append(s.items[namespace], item)
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Cluster) item(object runtime.Object, q SnapshotQuery) (Item, error) {
	live, err := meta.Accessor(object)
	if err != nil {
		return Item{}, err
	}
	item := Item{
		Ref: spec.ObjectRef{APIVersion: q.Kind.GroupVersion().String(), Kind: q.Kind.Kind, Namespace: live.GetNamespace(), Name: live.GetName()},
		UID: live.GetUID(), ResourceVersion: live.GetResourceVersion(), Foreign: c.foreign(live),
	}
	if q.Keep != nil {
		if item.Kept, err = q.Keep(live); err != nil {
			return item, fmt.Errorf("read %s: %w", where(item.Ref), err)
		}
	}
	if q.Metadata {
		item.Digest = metadataDigest(live)
		return item, nil
	}
	if Awaited(q.Kind.Kind) {
		if item.Waiting, err = readiness(object); err != nil {
			return item, err
		}
	}
	item.Digest, err = c.liveDigest(object)
	return item, err
}

// readiness is [Waiting] without the costly conversion of what it does not look at.
func readiness(object runtime.Object) (string, error) {
	live, err := meta.Accessor(object)
	if err != nil {
		return "", err
	}
	owners := live.GetManagedFields()
	live.SetManagedFields(nil)
	defer live.SetManagedFields(owners)
	if template, _ := podTemplate(object); template != nil {
		defer func(kept corev1.PodTemplateSpec) { *template = kept }(*template)
		*template = corev1.PodTemplateSpec{}
	}
	return Waiting(object)
}

// metadataDigest is the digest of what is read as metadata.
func metadataDigest(live metav1.Object) string {
	return string(live.GetUID()) + "/" + live.GetResourceVersion()
}

// Item makes the item of an object that was read by itself, or written: the one that a snapshot would have. Secrets are in snapshots
// as metadata.
func (c *Cluster) Item(live *unstructured.Unstructured) (Item, error) {
	digest, err := metadataDigest(live), error(nil)
	if live.GetKind() != "Secret" {
		digest, err = c.LiveDigest(live)
	}
	return Item{
		Ref: RefOf(live), UID: live.GetUID(), ResourceVersion: live.GetResourceVersion(), Digest: digest, Foreign: c.foreign(live),
	}, err
}

// waiting returns why a workload is not ready, and nothing for what needs no waiting.
func waiting(object *unstructured.Unstructured) (string, error) {
	if !Awaited(object.GetKind()) {
		return "", nil
	}
	result, err := status.Compute(object)
	if err != nil {
		return "", err
	}
	switch {
	case object.GetKind() == "Job" && result.Status == status.CurrentStatus:
		// To kstatus a Job that runs is current already; here it is when it has succeeded.
		if completed(object) {
			return "", nil
		}
		return "the job has not completed", nil
	case result.Status == status.CurrentStatus:
		return "", nil
	case result.Message == "":
		return string(result.Status), nil
	}
	return result.Message, nil
}

func completed(job *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(job.Object, "status", "conditions")
	if err != nil {
		return false
	}
	for _, condition := range conditions {
		fields, ok := condition.(map[string]any)
		if ok && fields["type"] == "Complete" && fields["status"] == "True" {
			return true
		}
	}
	return false
}

// Awaited tells the kinds whose readiness makes a store ready.
func Awaited(kind string) bool {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job":
		return true
	}
	return false
}

// With returns a snapshot that has the items of both.
func (s *Snapshot) With(more *Snapshot) *Snapshot {
	out := &Snapshot{items: maps.Clone(s.items)}
	for namespace, items := range more.items {
		out.items[namespace] = slices.Concat(out.items[namespace], items)
	}
	return out
}
