package storekit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// observation is what the cluster has of one store.
type observation struct {
	namespace *unstructured.Unstructured // nil when there is none
	ours      bool                       // the namespace carries the labels of this store
	record    *ledger.Record             // nil when nothing was recorded yet
	items     map[string]kube.Item       // objects with our labels, and all of guardKinds, by "Kind/name"
	release   *release.Record            // nil when there is none
	quotas    []*unstructured.Unstructured
}

// terminating tells that the namespace is being deleted.
func (o *observation) terminating() bool {
	return o.namespace != nil && o.namespace.GetDeletionTimestamp() != nil
}

// queries lists what a store can consist of: one list a kind, however many stores there are. Guard kinds are listed without a
// selector, for what others put beside ours carries no label of ours.
func (f *Fleet) queries(namespace string) []kube.SnapshotQuery {
	ours := kube.Labelled(map[string]string{blueprint.LabelFleet: f.name})
	query := func(kind, selector string) kube.SnapshotQuery {
		return kube.SnapshotQuery{Query: kube.Query{Kind: kube.KnownKind(kind), Namespace: namespace, Selector: selector}}
	}
	var all []kube.SnapshotQuery
	for _, kind := range guardKinds() {
		all = append(all, query(kind, ""))
	}
	for _, kind := range []string{"ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Service", "Deployment", "StatefulSet", "Job", "CronJob", "Ingress"} {
		all = append(all, query(kind, ours))
	}
	metadata := query("Secret", ours)
	metadata.Metadata = true
	all = append(all, metadata, query("Secret", kube.Labelled(map[string]string{blueprint.LabelFleet: f.name, blueprint.LabelRecord: "store"})))
	if namespace == "" {
		all = append(all, query("Namespace", ours))
	}
	for i := range all {
		kind := all[i].Kind.Kind
		all[i].Keep = kind == "Namespace" || kind == "ResourceQuota" || kind == "Secret" || kind == "Ingress"
	}
	return all
}

// guardKinds are the kinds of which a store has exactly what we made.
func guardKinds() []string { return []string{"ResourceQuota", "LimitRange", "NetworkPolicy"} }

// observe reads one store afresh, objects of further kinds too. The namespace itself is read first: what others own is not
// looked into.
func (f *Fleet) observe(ctx context.Context, store string, kinds ...schema.GroupVersionKind) (*observation, error) {
	namespace, err := f.namespace(ctx, store)
	if err != nil || namespace == nil || !f.owns(namespace, store) {
		return &observation{namespace: namespace}, err
	}
	snapshot, err := f.load(ctx, namespace.GetName(), kinds...)
	if err != nil {
		return nil, err
	}
	return f.observed(namespace, snapshot.Items(namespace.GetName()))
}

// namespace reads the namespace of a store, nil when there is none.
func (f *Fleet) namespace(ctx context.Context, store string) (*unstructured.Unstructured, error) {
	namespace, err := f.client.kube.Get(ctx, refNamespace(spec.NamespaceOf(store)))
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return namespace, err
}

func (f *Fleet) owns(namespace *unstructured.Unstructured, store string) bool {
	labels := namespace.GetLabels()
	return labels[blueprint.LabelFleet] == f.name && labels[blueprint.LabelStore] == store
}

// load takes a snapshot of one namespace, or of all, with the further kinds that charts of users made, and those given.
func (f *Fleet) load(ctx context.Context, namespace string, kinds ...schema.GroupVersionKind) (*kube.Snapshot, error) {
	snapshot, err := f.client.kube.Snapshot(ctx, f.queries(namespace))
	if err != nil {
		return nil, err
	}
	further := make(map[schema.GroupVersionKind]bool)
	for _, kind := range kinds {
		further[kind] = true
	}
	for _, name := range snapshot.Namespaces() {
		for _, item := range snapshot.Items(name) {
			if !isRecord(item) {
				continue
			}
			record, err := ledger.ReadRecord(item.Object)
			if err != nil {
				return nil, err
			}
			for key, entry := range record.Objects {
				kind, _, _ := strings.Cut(key, "/")
				further[schema.FromAPIVersionAndKind(entry.APIVersion, kind)] = true
			}
		}
	}
	var queries []kube.SnapshotQuery
	for gvk := range further {
		kind, known, err := f.client.kube.Kind(gvk)
		if err != nil {
			return nil, err
		}
		if !known {
			queries = append(queries, kube.SnapshotQuery{Query: kube.Query{
				Kind: kind, Namespace: namespace, Selector: kube.Labelled(map[string]string{blueprint.LabelFleet: f.name}),
			}})
		}
	}
	if len(queries) == 0 {
		return snapshot, nil
	}
	more, err := f.client.kube.Snapshot(ctx, queries)
	if err != nil {
		return nil, err
	}
	return snapshot.With(more), nil
}

func isRecord(item kube.Item) bool {
	return item.Ref.Kind == "Secret" && item.Ref.Name == ledger.RecordName && item.Object != nil && item.Object.Object["data"] != nil
}

// observed sorts the items of a store's namespace.
func (f *Fleet) observed(namespace *unstructured.Unstructured, items []kube.Item) (*observation, error) {
	o := &observation{namespace: namespace, ours: true, items: make(map[string]kube.Item, len(items))}
	for _, item := range items {
		var labels map[string]string
		if item.Object != nil {
			labels = item.Object.GetLabels()
		}
		record, isRelease := release.RecordOf(labels)
		switch {
		case isRecord(item):
			var err error
			if o.record, err = ledger.ReadRecord(item.Object); err != nil {
				return nil, err
			}
		case item.Ref.Kind == "Secret" && isRelease:
			if record.Name == blueprint.ReleaseName && (o.release == nil || record.Revision > o.release.Revision) {
				o.release = &record
			}
		case item.Ref.Kind == "Secret" && item.Ref.Name == ledger.RecordName:
			// the record once more, as metadata
		default:
			if item.Ref.Kind == "ResourceQuota" {
				o.quotas = append(o.quotas, item.Object)
			}
			o.items[item.Ref.String()] = item
		}
	}
	if key := kube.RefOf(namespace).String(); o.items[key].UID == "" {
		digest, err := kube.LiveDigest(namespace)
		if err != nil {
			return nil, err
		}
		o.items[key] = kube.Item{Ref: kube.RefOf(namespace), UID: namespace.GetUID(), Digest: digest, Foreign: f.client.kube.Foreign(namespace)}
	}
	return o, nil
}

// strangers are the quotas, limits and policies in the namespace that are not known to be ours.
func (o *observation) strangers(known func(key string) bool) []kube.Item {
	var out []kube.Item
	for key, item := range o.items {
		if slices.Contains(guardKinds(), item.Ref.Kind) && !known(key) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b kube.Item) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return out
}

// recorded tells whether the record knows an object.
func (o *observation) recorded(key string) bool {
	_, known := o.record.Objects[key]
	return known
}

// reads are the shared reads of a fleet.
type reads struct {
	snapshot *kube.Snapshot
	dirty    map[string]bool // stores that were written since
}

// look observes a store, from the shared reads where there are any.
func (f *Fleet) look(ctx context.Context, store string) (*observation, error) {
	if !f.client.options.sharedReads {
		return f.observe(ctx, store)
	}
	shared, err := f.sharedReads(ctx)
	if err != nil {
		return nil, err
	}
	f.client.mu.Lock()
	dirty := shared.dirty[store]
	f.client.mu.Unlock()
	name := spec.NamespaceOf(store)
	items := shared.snapshot.Items(name)
	i := slices.IndexFunc(items, func(item kube.Item) bool { return item.Ref.Kind == "Namespace" })
	if dirty || i < 0 || !f.owns(items[i].Object, store) {
		return f.observe(ctx, store) // a miss is confirmed before anything is called gone
	}
	return f.observed(items[i].Object, items)
}

func (f *Fleet) sharedReads(ctx context.Context) (*reads, error) {
	c := f.client
	c.mu.Lock()
	shared := c.shared[f.name]
	c.mu.Unlock()
	if shared != nil {
		return shared, nil
	}
	_, err, _ := c.flight.Do("reads/"+f.name, func() (any, error) {
		snapshot, err := f.load(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("read fleet %s: %w", f.name, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.shared[f.name] = &reads{snapshot: snapshot, dirty: make(map[string]bool)}
		return nil, nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shared[f.name], err
}

// touched makes the next look at a store a fresh one.
func (f *Fleet) touched(store string) {
	f.client.mu.Lock()
	defer f.client.mu.Unlock()
	if shared := f.client.shared[f.name]; shared != nil {
		shared.dirty[store] = true
	}
}

// Forget drops what was read so far: the next read asks the cluster again.
func (f *Fleet) Forget() {
	f.client.mu.Lock()
	defer f.client.mu.Unlock()
	f.client.env = nil
	delete(f.client.shared, f.name)
}
