package chaos

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

const (
	systemNamespace = "storeplatform-system"
	fleetLabel      = "storeplatform.io/fleet"
)

// everywhere is what Kubernetes puts into every namespace. No store waits for it, and after a restart of the API server it can take
// longer than a store.
var everywhere = []string{"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}

// eye looks at the cluster without the library.
type eye struct {
	core      kubernetes.Interface
	metadata  metadata.Interface
	resources map[string]schema.GroupVersionResource // by kind
}

func newEye(cluster *testcluster.Cluster) (*eye, error) {
	e := &eye{core: cluster.Client(), resources: make(map[string]schema.GroupVersionResource)}
	var err error
	if e.metadata, err = metadata.NewForConfig(cluster.RESTConfig); err != nil {
		return nil, err
	}
	lists, err := e.core.Discovery().ServerPreferredNamespacedResources()
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			// Events tell stories, Endpoints are the endpoints controller's and metrics nobody's.
			if slices.Contains(resource.Verbs, "list") && !slices.Contains([]string{"Event", "Endpoints", "PodMetrics"}, resource.Kind) {
				e.resources[resource.Kind] = version.WithResource(resource.Name)
			}
		}
	}
	return e, nil
}

// inventory is everything that there is of a store.
type inventory struct {
	namespace types.UID            // empty when there is none
	dying     bool                 // the namespace is being deleted
	objects   map[string]types.UID // by "Kind/name", but for what other objects own or is everywhere, the release records and Jobs on backups; nil after a glance
	claims    map[string]types.UID // of volumes, by name
	releases  []string             // statuses of the release records, but for those that are history
	revision  int                  // the latest of the release; 0 when there is none
	hosts     []string             // that are claimed
	system    []string             // "Kind/name" of what else the fleet has in the system namespace
	locked    bool                 // somebody holds the lock of the store, alive or not
	volumes   []string             // claims that have a volume, one entry for each volume
	secrets   map[string]string    // values of the generated passwords by "name key"
	record    *ledger.Record       // nil when there is none
}

// look takes the inventory of a store.
func (e *eye) look(ctx context.Context, s subject) (*inventory, error) {
	i, err := e.glance(ctx, s)
	if err != nil {
		return nil, err
	}
	i.objects = make(map[string]types.UID)
	for kind, resource := range e.resources {
		list, err := e.metadata.Resource(resource).Namespace(s.made().Namespace()).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource.Resource, err)
		}
		for _, item := range list.Items {
			key := kind + "/" + item.Name
			passing := item.Labels["storeplatform.io/phase"] != "" // a Job that made a backup, and goes by itself
			if len(item.OwnerReferences) == 0 && item.Labels["owner"] != "helm" && !passing && !slices.Contains(everywhere, key) {
				i.objects[key] = item.UID
			}
		}
	}
	return i, nil
}

// glance takes the inventory without looking for objects of every kind there is, which is most of the work.
func (e *eye) glance(ctx context.Context, s subject) (*inventory, error) {
	store := s.made()
	i := &inventory{claims: make(map[string]types.UID), secrets: make(map[string]string)}
	namespace, err := e.core.CoreV1().Namespaces().Get(ctx, store.Namespace(), metav1.GetOptions{})
	switch {
	case err == nil:
		i.namespace, i.dying = namespace.UID, namespace.DeletionTimestamp != nil
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	if err := e.lookIntoSecrets(ctx, store.Namespace(), i); err != nil {
		return nil, err
	}
	claims, err := e.core.CoreV1().PersistentVolumeClaims(store.Namespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, claim := range claims.Items {
		i.claims[claim.Name] = claim.UID
	}
	volumes, err := e.core.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, volume := range volumes.Items {
		if claim := volume.Spec.ClaimRef; claim != nil && claim.Namespace == store.Namespace() {
			i.volumes = append(i.volumes, claim.Name)
		}
	}
	slices.Sort(i.volumes)
	return i, e.lookIntoSystem(ctx, s, i)
}

func (e *eye) lookIntoSecrets(ctx context.Context, namespace string, i *inventory) error {
	secrets, err := e.core.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, secret := range secrets.Items {
		switch {
		case secret.Labels["owner"] == "helm":
			revision, err := strconv.Atoi(secret.Labels["version"])
			if err != nil {
				return fmt.Errorf("revision of release record %s: %w", secret.Name, err)
			}
			i.revision = max(i.revision, revision)
			if status := secret.Labels["status"]; status != "superseded" && status != "failed" {
				i.releases = append(i.releases, status)
			}
		case secret.Name == ledger.RecordName:
			if i.record, err = ledger.ReadRecord(&secret); err != nil {
				return err
			}
		case secret.Name == "credentials" || secret.Name == "admin":
			for key, value := range secret.Data {
				i.secrets[secret.Name+" "+key] = string(value)
			}
		}
	}
	return nil
}

func (e *eye) lookIntoSystem(ctx context.Context, s subject, i *inventory) error {
	ours := metav1.ListOptions{LabelSelector: fleetLabel + "=" + s.Fleet}
	claims, err := e.core.CoreV1().ConfigMaps(systemNamespace).List(ctx, ours)
	if err != nil {
		return err
	}
	for _, claim := range claims.Items {
		i.hosts = append(i.hosts, strings.ReplaceAll(host(claim), s.Fleet, "fleet"))
	}
	slices.Sort(i.hosts)
	secrets, err := e.core.CoreV1().Secrets(systemNamespace).List(ctx, ours)
	if err != nil {
		return err
	}
	for _, secret := range secrets.Items {
		i.system = append(i.system, "Secret/"+strings.ReplaceAll(secret.Name, s.Fleet, "fleet"))
	}
	leases, err := e.core.CoordinationV1().Leases(systemNamespace).List(ctx, ours)
	if err != nil {
		return err
	}
	for _, lease := range leases.Items {
		i.system = append(i.system, "Lease/"+strings.ReplaceAll(lease.Name, s.Fleet, "fleet"))
		i.locked = i.locked || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != ""
	}
	return nil
}

// host is the host that a record in the system namespace claims, or its name when it claims none.
func host(record corev1.ConfigMap) string {
	if claimed := record.Data["host"]; claimed != "" {
		return claimed
	}
	return record.Name
}

// digest ends the names of Jobs: they are made from what the Job does, which includes the store's host.
var digest = regexp.MustCompile("-[0-9a-f]{10}$")

// kind is the kind of a plural name, or that name itself where it is not known.
func kind(plural string) string {
	for _, known := range kube.KnownKinds() {
		if known.Resource == plural {
			return known.Kind
		}
	}
	return plural
}

// parts are the names of what there is, without what differs from store to store, and as often as it is there.
func (i *inventory) parts() map[string][]string {
	var objects []string
	for key := range i.objects {
		objects = append(objects, digest.ReplaceAllString(key, "-digest"))
	}
	slices.Sort(objects)
	return map[string][]string{"objects": objects, "hosts": i.hosts, "volumes": i.volumes, "system": i.system}
}

// kept lists what must outlive every operation but a deletion, with what tells a thing from its replacement.
func (i *inventory) kept() map[string]string {
	out := maps.Clone(i.secrets)
	if i.namespace != "" {
		out["Namespace"] = string(i.namespace)
	}
	for name, uid := range i.claims {
		out["PersistentVolumeClaim/"+name] = string(uid)
	}
	return out
}

// lost names what of an earlier inventory is gone or another one now. It shows no value.
func (i *inventory) lost(earlier *inventory) []string {
	now := i.kept()
	var out []string
	for key, value := range earlier.kept() {
		if now[key] != value {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}
