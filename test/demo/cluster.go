package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	editor    = "kubectl-edit" // field manager of `kubectl edit`
	namespace = "store-acme"
	quota     = "services" // its quota for everything that is no Job
	stores    = "storeplatform.io/store"
)

// cluster looks at the cluster without the provider.
type cluster struct {
	client   kubernetes.Interface
	metadata metadata.Interface
}

func connect(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{} // of kinds that are deprecated, which are listed all the same
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{client: client, metadata: meta}, nil
}

// managersAllowed are ours and those of Kubernetes: its own, the simulated node's (kwok) and the ingress controller's.
var managersAllowed = []string{"storeplatform", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "traefik"}

// showStores lists every object in the namespaces of the stores, and checks who wrote to them.
func (c *cluster) showStores(ctx context.Context) error {
	namespaces, err := c.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: stores})
	if err != nil {
		return err
	}
	if len(namespaces.Items) != 2 {
		return fmt.Errorf("there are %d namespaces of stores instead of 2", len(namespaces.Items))
	}
	kinds, err := c.namespacedKinds()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	var strangers []string
	row := func(namespace, kind string, meta metav1.ObjectMeta) {
		all := managers(meta.ManagedFields)
		for _, manager := range all {
			if !slices.Contains(managersAllowed, manager) {
				strangers = append(strangers, fmt.Sprintf("%s on %s/%s in %s", manager, kind, meta.Name, namespace))
			}
		}
		fmt.Fprintf(table, "%s\t%s/%s\t%s\n", namespace, kind, meta.Name, strings.Join(all, ", "))
	}
	fmt.Fprintln(table, "NAMESPACE\tOBJECT\tFIELD MANAGERS")
	for _, ns := range namespaces.Items {
		row(ns.Name, "Namespace", ns.ObjectMeta)
		for _, kind := range kinds {
			list, err := c.metadata.Resource(kind.resource).Namespace(ns.Name).List(ctx, metav1.ListOptions{})
			if err != nil {
				return fmt.Errorf("list %s: %w", kind.resource, err)
			}
			for _, item := range list.Items {
				row(ns.Name, kind.name, item.ObjectMeta)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(strangers) > 0 {
		return fmt.Errorf("field managers that nobody expects: %s", strings.Join(strangers, "; "))
	}
	return nil
}

type kind struct {
	name     string
	resource schema.GroupVersionResource
}

// namespacedKinds are all kinds of objects that a namespace can hold, sorted by name, without events.
func (c *cluster) namespacedKinds() ([]kind, error) {
	lists, err := c.client.Discovery().ServerPreferredNamespacedResources()
	if err != nil {
		return nil, err
	}
	var kinds []kind
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && r.Kind != "Event" {
				kinds = append(kinds, kind{r.Kind, group.WithResource(r.Name)})
			}
		}
	}
	slices.SortFunc(kinds, func(a, b kind) int { return strings.Compare(a.name, b.name) })
	return kinds, nil
}

func managers(fields []metav1.ManagedFieldsEntry) []string {
	names := map[string]bool{}
	for _, entry := range fields {
		names[entry.Manager] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// raiseQuota does what `kubectl edit` does.
func (c *cluster) raiseQuota(ctx context.Context) error {
	before, err := c.memoryQuota(ctx)
	if err != nil {
		return err
	}
	patch := []byte(`{"spec":{"hard":{"limits.memory":"64Gi"}}}`)
	_, err = c.client.CoreV1().ResourceQuotas(namespace).Patch(ctx, quota, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: editor})
	if err != nil {
		return err
	}
	after, err := c.memoryQuota(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("ResourceQuota %s/%s: limits.memory %s -> %s by %s\n", namespace, quota, before, after, editor)
	return nil
}

func (c *cluster) showQuota(ctx context.Context) error {
	memory, err := c.memoryQuota(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("ResourceQuota %s/%s: limits.memory %s\n", namespace, quota, memory)
	if memory != "4Gi" {
		return fmt.Errorf("limits.memory is %s instead of 4Gi", memory)
	}
	return nil
}

func (c *cluster) memoryQuota(ctx context.Context) (string, error) {
	q, err := c.client.CoreV1().ResourceQuotas(namespace).Get(ctx, quota, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	limit := q.Spec.Hard["limits.memory"]
	return limit.String(), nil
}

// showNothing checks that nothing of the stores outlives them.
func (c *cluster) showNothing(ctx context.Context) error {
	namespaces, err := c.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: stores})
	if err != nil {
		return err
	}
	volumes, err := c.client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	records, err := c.client.CoreV1().Secrets("storeplatform-system").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	configs, err := c.client.CoreV1().ConfigMaps("storeplatform-system").List(ctx, metav1.ListOptions{LabelSelector: "storeplatform.io/record"})
	if err != nil {
		return err
	}
	left := map[string]int{
		"namespaces of stores": len(namespaces.Items), "volumes": len(volumes.Items), "records": len(records.Items) + len(configs.Items),
	}
	for _, what := range slices.Sorted(maps.Keys(left)) {
		fmt.Printf("%s: %d\n", what, left[what])
	}
	for what, count := range left {
		if count > 0 {
			return fmt.Errorf("%d %s are left", count, what)
		}
	}
	return nil
}
