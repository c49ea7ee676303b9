package storekit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// observation is what the cluster has of one store.
type observation struct {
	namespace  *unstructured.Unstructured // nil when there is none
	ours       bool                       // the namespace carries the labels of this store
	record     *ledger.Record             // nil when nothing was recorded yet
	items      map[string]kube.Item       // objects with our labels, and all of guardKinds, by "Kind/name"
	release    *release.Record            // the latest revision; nil when there is none
	history    []release.Record           // every revision on record, oldest first
	quota      map[string]Usage
	backupRuns []backupRun // as long as their pods are kept
	handovers  []handover  // as long as their Jobs are kept
	warnings   []string    // how it was read, where that is worth a word
}

// lostRecord tells that the shop is there, and its record is not.
func (o *observation) lostRecord() bool {
	return o.record == nil && o.deployed() != nil && !o.terminating()
}

// deployed is the latest revision of which everything was sent; nil when there is none. An update that failed leaves it behind one that
// never was.
func (o *observation) deployed() *release.Record {
	for i := len(o.history) - 1; i >= 0; i-- {
		if o.history[i].Deployed() {
			return &o.history[i]
		}
	}
	return nil
}

// terminating tells that the namespace is being deleted.
func (o *observation) terminating() bool {
	return o.namespace != nil && o.namespace.GetDeletionTimestamp() != nil
}

// queries lists what a store can consist of: one list a kind, however many stores there are. Guard kinds are listed without a
// selector, for what others put beside ours carries no label of ours. Records are left out when the one there is is known.
func (f *Fleet) queries(namespace string, known *ledger.Record) []kube.SnapshotQuery {
	ours := map[string]string{blueprint.LabelFleet: f.name}
	query := func(kind string, labels map[string]string) kube.SnapshotQuery {
		return kube.SnapshotQuery{Query: kube.Query{Kind: kube.KnownKind(kind), Namespace: namespace, Selector: kube.Labelled(labels)}}
	}
	var all []kube.SnapshotQuery
	for _, kind := range guardKinds() {
		all = append(all, query(kind, nil))
	}
	for _, kind := range []string{"ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Service", "Deployment", "StatefulSet", "Job", "CronJob", "Ingress"} {
		all = append(all, query(kind, ours))
	}
	all[slices.Index(guardKinds(), "ResourceQuota")].Keep = keepUsage
	all[slices.IndexFunc(all, func(q kube.SnapshotQuery) bool { return q.Kind.Kind == "Job" })].Keep = keepHandover
	secrets := query("Secret", ours)
	secrets.Metadata, secrets.Keep = true, keepRelease
	records := query("Secret", map[string]string{blueprint.LabelFleet: f.name, blueprint.LabelRecord: "store"})
	records.Keep = keepRecord
	pods := query("Pod", map[string]string{blueprint.LabelFleet: f.name, blueprint.LabelPhase: blueprint.PhaseBackup})
	pods.Keep = keepBackups
	all = append(all, secrets, pods)
	if known == nil {
		all = append(all, records)
	}
	if namespace == "" {
		namespaces := query("Namespace", ours)
		namespaces.Keep = keepNamespace
		all = append(all, namespaces)
	}
	return all
}

func keepNamespace(live metav1.Object) (any, error) {
	namespace, ok := live.(*corev1.Namespace)
	if !ok {
		return nil, fmt.Errorf("expected a Namespace, got %T", live)
	}
	namespace.ManagedFields = nil
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(namespace)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{Object: content}
	object.SetGroupVersionKind(kube.KnownKind("Namespace").GroupVersionKind)
	return object, nil
}

func keepRecord(live metav1.Object) (any, error) {
	secret, ok := live.(*corev1.Secret)
	if !ok {
		return nil, fmt.Errorf("expected a Secret, got %T", live)
	}
	record, err := ledger.ReadRecord(secret)
	if err != nil {
		return unreadable{err}, nil //nolint:nilerr // it is kept: the other stores can be read all the same
	}
	return record, nil
}

// unreadable is a record that cannot be decoded.
type unreadable struct{ error }

// keepRelease keeps which release a Secret records, nothing of another Secret.
func keepRelease(live metav1.Object) (any, error) {
	if record, ok := release.RecordOf(live); ok && record.Name == blueprint.ReleaseName {
		return record, nil
	}
	return nil, nil
}

// keepUsage keeps what a quota of ours allows and how much of it is used. Room of Jobs carries the prefix "jobs.".
func keepUsage(live metav1.Object) (any, error) {
	quota, ok := live.(*corev1.ResourceQuota)
	if !ok {
		return nil, fmt.Errorf("expected a ResourceQuota, got %T", live)
	}
	prefix := ""
	switch quota.Name {
	case "services", "objects":
	case "jobs":
		prefix = "jobs."
	default:
		return nil, nil
	}
	usage := make(map[string]Usage, len(quota.Spec.Hard))
	for name, hard := range quota.Spec.Hard {
		used := quota.Status.Used[name]
		usage[prefix+string(name)] = Usage{Used: used.String(), Hard: hard.String()}
	}
	return usage, nil
}

// guardKinds are the kinds of which a store has exactly what we made.
func guardKinds() []string { return []string{"ResourceQuota", "LimitRange", "NetworkPolicy"} }

// observe reads one store afresh. The namespace itself is read first: what others own is not looked into.
func (f *Fleet) observe(ctx context.Context, store string) (*observation, error) {
	return f.observeAgain(ctx, store, nil)
}

// observeAgain is observe for who has the lock of the store, and so knows its record. It reads objects of further kinds too.
func (f *Fleet) observeAgain(ctx context.Context, store string, known *ledger.Record, kinds ...schema.GroupVersionKind) (*observation, error) {
	namespace, err := f.namespace(ctx, store)
	if err != nil || namespace == nil || !f.owns(namespace, store) {
		return &observation{namespace: namespace}, err
	}
	snapshot, err := f.load(ctx, namespace.GetName(), known, kinds...)
	if err != nil {
		return nil, err
	}
	o, err := f.observed(namespace, snapshot.Items(namespace.GetName()))
	if err == nil && known != nil {
		o.record = known
	}
	return o, err
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

// load takes a snapshot of one namespace, or of all, with the further kinds that charts of users made, and those given. known is the
// record of the one store, if the caller has it.
func (f *Fleet) load(ctx context.Context, namespace string, known *ledger.Record, kinds ...schema.GroupVersionKind) (*kube.Snapshot, error) {
	snapshot, err := f.client.kube.Snapshot(ctx, f.queries(namespace, known))
	if err != nil {
		return nil, err
	}
	further := make(map[schema.GroupVersionKind]bool)
	for _, kind := range kinds {
		further[kind] = true
	}
	add := func(record *ledger.Record) {
		for key, entry := range record.Objects {
			kind, _, _ := strings.Cut(key, "/")
			further[schema.FromAPIVersionAndKind(entry.APIVersion, kind)] = true
		}
	}
	if known != nil {
		add(known)
	}
	for _, name := range snapshot.Namespaces() {
		for _, item := range snapshot.Items(name) {
			if record, ok := item.Kept.(*ledger.Record); ok {
				add(record)
			}
		}
	}
	var queries []kube.SnapshotQuery
	for gvk := range further {
		kind, listed, err := f.client.kube.Kind(gvk)
		if meta.IsNoMatchError(err) {
			continue // no longer served: objects of it are gone
		}
		if err != nil {
			return nil, err
		}
		if !listed && kind.Namespaced {
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

// unserved names the kinds of a store's objects that the cluster does not serve any more.
func (f *Fleet) unserved(record *ledger.Record) ([]string, error) {
	if record == nil {
		return nil, nil
	}
	var kinds []string
	for key, entry := range record.Objects {
		kind, _, _ := strings.Cut(key, "/")
		_, _, err := f.client.kube.Kind(schema.FromAPIVersionAndKind(entry.APIVersion, kind))
		switch {
		case meta.IsNoMatchError(err):
			kinds = append(kinds, kind+" of "+entry.APIVersion)
		case err != nil:
			return nil, err
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// observed sorts the items of a store's namespace.
func (f *Fleet) observed(namespace *unstructured.Unstructured, items []kube.Item) (*observation, error) {
	o := &observation{namespace: namespace, ours: true, items: make(map[string]kube.Item, len(items)), quota: make(map[string]Usage)}
	for _, item := range items {
		switch kept := item.Kept.(type) {
		case *ledger.Record:
			o.record = kept
			continue
		case unreadable:
			return nil, kept.error
		case release.Record:
			o.history = append(o.history, kept)
			continue
		case map[string]Usage:
			maps.Copy(o.quota, kept)
		case backupRun:
			o.backupRuns = append(o.backupRuns, kept)
		case handover:
			o.handovers = append(o.handovers, kept)
		}
		if item.Ref.Kind == "Pod" {
			continue
		}
		o.items[item.Ref.String()] = item
	}
	if len(o.history) > 0 {
		slices.SortFunc(o.history, func(a, b release.Record) int { return a.Revision - b.Revision })
		o.release = &o.history[len(o.history)-1]
	}
	delete(o.items, "Secret/"+ledger.RecordName) // the record once more, as metadata
	if key := kube.RefOf(namespace).String(); o.items[key].UID == "" {
		item, err := f.client.kube.Item(namespace)
		if err != nil {
			return nil, err
		}
		o.items[key] = item
	}
	return o, nil
}

// strangers are the quotas, limits and policies in the namespace that are not known to be ours. What lets another store get a backup
// is that store's business for as long as there is a Job for it.
func (o *observation) strangers(known func(key string) bool) []kube.Item {
	var out []kube.Item
	for key, item := range o.items {
		lent := item.Ref.Kind == "NetworkPolicy" && slices.ContainsFunc(o.handovers, func(h handover) bool {
			return item.Ref.Name == blueprint.TransferName(h.receiver)
		})
		if slices.Contains(guardKinds(), item.Ref.Kind) && !lent && !known(key) && !o.keeps(key) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b kube.Item) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return out
}

// keeps tells whether an object was in the namespace before the store adopted it.
func (o *observation) keeps(key string) bool {
	return o.record != nil && slices.Contains(o.record.Kept, key)
}

// recorded tells whether the record knows an object.
func (o *observation) recorded(key string) bool {
	_, known := o.record.Objects[key]
	return known
}

// reads are the shared reads of a fleet.
type reads struct {
	snapshot *kube.Snapshot  // nil when the account may not list all namespaces: stores are then read one by one
	dirty    map[string]bool // stores that were written since
}

// oneByOne is said when the account may not list stores all at once.
const oneByOne = "this account may not list objects of all namespaces, so each store is read by itself: about twenty requests a store instead of one " +
	"list of each kind for all. Grant the verb list on them in the whole cluster to speed it up"

// look observes a store, from the shared reads where there are any.
func (f *Fleet) look(ctx context.Context, store string) (*observation, error) {
	if !f.client.options.sharedReads {
		return f.observe(ctx, store)
	}
	shared, err := f.sharedReads(ctx)
	if err != nil {
		return nil, err
	}
	if shared.snapshot == nil {
		o, err := f.observe(ctx, store)
		if err == nil {
			o.warnings = append(o.warnings, oneByOne)
		}
		return o, err
	}
	f.client.mu.Lock()
	dirty := shared.dirty[store]
	f.client.mu.Unlock()
	name := spec.NamespaceOf(store)
	items := shared.snapshot.Items(name)
	i := slices.IndexFunc(items, func(item kube.Item) bool { return item.Ref.Kind == "Namespace" })
	if i >= 0 && !dirty {
		if namespace, ok := items[i].Kept.(*unstructured.Unstructured); ok && f.owns(namespace, store) {
			return f.observed(namespace, items)
		}
	}
	return f.observe(ctx, store) // a miss is confirmed before anything is called gone
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
		snapshot, err := f.load(ctx, "", nil)
		if err != nil && !forbidden(err) {
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
