package kube

import (
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Item is what a snapshot keeps of one object.
type Item struct {
	Ref             spec.ObjectRef
	UID             types.UID
	ResourceVersion string
	Digest          string                     // of [Normal]; of UID and version for what was read as metadata
	Foreign         bool                       // see [Cluster.Foreign]
	Waiting         string                     // why it is not ready, in kstatus' words; empty when it is
	Object          *unstructured.Unstructured // normal form plus status; only where the query keeps it
}

// SnapshotQuery is a query of a snapshot.
type SnapshotQuery struct {
	Query
	Keep bool // keep the objects, not only their digests
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

// listLanes bounds how many lists run at once: gentle on the API server's priority and fairness.
const listLanes = 6

// Snapshot runs the queries, each in pages.
func (c *Cluster) Snapshot(ctx context.Context, queries []SnapshotQuery) (*Snapshot, error) {
	s := &Snapshot{items: make(map[string][]Item)}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listLanes)
	for _, q := range queries {
		group.Go(func() error {
			return c.List(ctx, q.Query, func(object *unstructured.Unstructured) error {
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

func (c *Cluster) item(object *unstructured.Unstructured, q SnapshotQuery) (Item, error) {
	item := Item{
		Ref: RefOf(object), UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(), Foreign: c.Foreign(object),
	}
	if q.Metadata {
		item.Digest = string(item.UID) + "/" + item.ResourceVersion
	} else {
		var err error
		if item.Digest, err = LiveDigest(object); err != nil {
			return item, err
		}
		if item.Waiting, err = waiting(object); err != nil {
			return item, err
		}
	}
	if q.Keep {
		object.SetManagedFields(nil)
		item.Object = object
	}
	return item, nil
}

// LiveDigest is the digest of a live object's [Normal] form.
func LiveDigest(live *unstructured.Unstructured) (string, error) {
	normal, err := Normal(live)
	if err != nil {
		return "", err
	}
	return Digest(normal)
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
