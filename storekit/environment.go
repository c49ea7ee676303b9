package storekit

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
)

// environment is what was read of the cluster itself.
type environment struct {
	blueprint.Environment
	uid            string // of kube-system
	nodes          []corev1.Node
	ingressClasses []networkingv1.IngressClass
	class          *networkingv1.IngressClass // that stores use; nil when it is not there
	addresses      []netip.Addr               // where DNS records must point, sorted
	warnings       []string                   // what could not be looked at, and why
}

// readEnvironment reads nodes, networks and the ingress controller.
func (c *Client) readEnvironment(ctx context.Context) (*environment, error) {
	env := new(environment)
	system, err := c.kube.Get(ctx, refNamespace(kubeSystem))
	if err != nil {
		return nil, err
	}
	env.uid = string(system.GetUID())
	if env.nodes, err = listOf[corev1.Node](ctx, c.kube, kube.Query{Kind: kube.KnownKind("Node")}); err != nil {
		return nil, err
	}
	if env.ingressClasses, err = listOf[networkingv1.IngressClass](ctx, c.kube, kube.Query{Kind: kube.KnownKind("IngressClass")}); err != nil {
		return nil, err
	}
	services, err := listOf[networkingv1.ServiceCIDR](ctx, c.kube, kube.Query{Kind: kube.KnownKind("ServiceCIDR")})
	if err != nil && !apierrors.IsNotFound(err) { // before Kubernetes 1.33 there are none
		return nil, err
	}
	for _, one := range services {
		env.ClusterPrefixes = append(env.ClusterPrefixes, prefixes(one.Spec.CIDRs)...)
	}
	for _, node := range env.nodes {
		env.ClusterPrefixes = append(env.ClusterPrefixes, prefixes(node.Spec.PodCIDRs)...)
		env.NodeAddresses = append(env.NodeAddresses, nodeAddresses(node, corev1.NodeInternalIP, corev1.NodeExternalIP)...)
	}
	sortPrefixes(&env.ClusterPrefixes)
	sortAddresses(&env.NodeAddresses)
	return env, c.readIngress(ctx, env)
}

// readIngress finds the ingress controller: its class, its pods and its addresses.
func (c *Client) readIngress(ctx context.Context, env *environment) error {
	var err error
	if env.class, err = c.ingressClass(ctx, env); err != nil {
		return err
	}
	env.IngressClass = c.options.ingressClass
	controller := ""
	if env.class != nil {
		env.IngressClass, controller = env.class.Name, env.class.Spec.Controller
	}
	label, known := controllerLabel(controller)
	if known {
		pods, err := ofController[corev1.Pod](ctx, c.kube, env, kube.Query{Kind: kube.KnownKind("Pod"), Selector: appLabel + "=" + label})
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return !p.Spec.HostNetwork }); i >= 0 {
			env.IngressPods = &blueprint.PodSelector{Namespace: pods[i].Namespace, Labels: map[string]string{appLabel: label}}
		} else if len(pods) == 0 && label == traefik {
			// k3s starts Traefik some time after the API server: its place is known before it is there.
			place := cmp.Or(env.class.Annotations[helmNamespace], kubeSystem)
			env.IngressPods = &blueprint.PodSelector{Namespace: place, Labels: map[string]string{appLabel: label}}
		}
		services, err := ofController[corev1.Service](ctx, c.kube, env, kube.Query{Kind: kube.KnownKind("Service"), Selector: appLabel + "=" + label})
		if err != nil {
			return err
		}
		for _, service := range services {
			for _, ingress := range service.Status.LoadBalancer.Ingress {
				if address, err := netip.ParseAddr(ingress.IP); err == nil {
					env.addresses = append(env.addresses, address)
				}
			}
		}
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		if len(env.addresses) > 0 {
			break
		}
		for _, node := range env.nodes {
			env.addresses = append(env.addresses, nodeAddresses(node, kind)...)
		}
	}
	sortAddresses(&env.addresses)
	return nil
}

const (
	kubeSystem = "kube-system"
	appLabel   = "app.kubernetes.io/name"
	traefik    = "traefik"

	helmNamespace = "meta.helm.sh/release-namespace" // on everything that Helm makes
)

// ingressClass returns the class that stores use, nil when there is none.
func (c *Client) ingressClass(ctx context.Context, env *environment) (*networkingv1.IngressClass, error) {
	name := c.options.ingressClass
	class := chooseClass(env.ingressClasses, name)
	if class != nil || name != traefik && (name != "" || len(env.ingressClasses) > 0) {
		return class, nil
	}
	return c.announcedClass(ctx, env)
}

// helmChart is how k3s installs what it comes with (k3s-io/helm-controller).
var helmChart = kube.Kind{
	GroupVersionKind: schema.GroupVersionKind{Group: "helm.cattle.io", Version: "v1", Kind: "HelmChart"},
	Resource:         "helmcharts", Namespaced: true,
}

// announcedClass returns the class of the Traefik that k3s is about to install, nil when it is about to install none. The HelmChart is
// there seconds after the API server (k3s-io/k3s, manifests/traefik.yaml), unless Traefik is disabled. The class comes with the
// chart, by a Job that needs a node and an image: stores that are made meanwhile must not differ from those made after.
func (c *Client) announcedClass(ctx context.Context, env *environment) (*networkingv1.IngressClass, error) {
	var class *networkingv1.IngressClass
	err := c.kube.List(ctx, kube.Query{Kind: helmChart, Namespace: kubeSystem}, func(chart *object) error {
		if chart.GetName() != traefik || chart.GetDeletionTimestamp() != nil {
			return nil
		}
		place, _, err := unstructured.NestedString(chart.Object, "spec", "targetNamespace")
		class = new(networkingv1.IngressClass)
		class.Name, class.Annotations = traefik, map[string]string{helmNamespace: cmp.Or(place, kubeSystem)}
		class.Spec.Controller = "traefik.io/ingress-controller"
		return err
	})
	switch {
	case apierrors.IsNotFound(err): // no k3s
		return nil, nil
	case forbidden(err):
		env.warnings = append(env.warnings,
			"the cluster has no ingress class, and this account may not list helmcharts in kube-system, which tell whether k3s is about to make one")
		return nil, nil
	}
	return class, err
}

// chooseClass returns the class of that name, else the cluster's default, else the only one, else nil.
func chooseClass(classes []networkingv1.IngressClass, name string) *networkingv1.IngressClass {
	for i := range classes {
		if name != "" && classes[i].Name == name || name == "" && defaultClass(classes[i].Annotations, "ingressclass.kubernetes.io/is-default-class") {
			return &classes[i]
		}
	}
	if name == "" && len(classes) == 1 {
		return &classes[0]
	}
	return nil
}

func defaultClass(annotations map[string]string, key string) bool { return annotations[key] == "true" }

// controllerLabel returns the app.kubernetes.io/name of the pods of an ingress controller, by the name that its IngressClass
// gives it. Sources: the Helm charts of the controllers.
func controllerLabel(controller string) (string, bool) {
	switch {
	case strings.HasPrefix(controller, "traefik.io/"):
		return traefik, true
	case strings.HasPrefix(controller, "haproxy.org/"):
		return "kubernetes-ingress", true
	case strings.HasPrefix(controller, "projectcontour.io/"):
		return "contour", true
	case strings.HasPrefix(controller, "k8s.io/ingress-nginx"):
		return "ingress-nginx", true
	}
	return "", false
}

func nodeAddresses(node corev1.Node, kinds ...corev1.NodeAddressType) []netip.Addr {
	var out []netip.Addr
	for _, address := range node.Status.Addresses {
		if parsed, err := netip.ParseAddr(address.Address); err == nil && slices.Contains(kinds, address.Type) {
			out = append(out, parsed)
		}
	}
	return out
}

func prefixes(cidrs []string) []netip.Prefix {
	var out []netip.Prefix
	for _, cidr := range cidrs {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			out = append(out, prefix)
		}
	}
	return out
}

func sortAddresses(addresses *[]netip.Addr) {
	slices.SortFunc(*addresses, netip.Addr.Compare)
	*addresses = slices.Compact(*addresses)
}

func sortPrefixes(all *[]netip.Prefix) {
	slices.SortFunc(*all, func(a, b netip.Prefix) int { return strings.Compare(a.String(), b.String()) })
	*all = slices.Compact(*all)
}

// ofController lists objects of the ingress controller wherever they are, or where k3s has it when the account may not look
// elsewhere.
func ofController[T corev1.Pod | corev1.Service](ctx context.Context, cluster *kube.Cluster, env *environment, q kube.Query) ([]T, error) {
	found, err := listOf[T](ctx, cluster, q)
	if !forbidden(err) {
		return found, err
	}
	const onlyThere = "this account may not list pods and services of all namespaces, so the ingress controller was looked for in kube-system alone"
	if !slices.Contains(env.warnings, onlyThere) {
		env.warnings = append(env.warnings, onlyThere)
	}
	q.Namespace = kubeSystem
	return listOf[T](ctx, cluster, q)
}

// forbidden tells whether the API server refused a read (403).
func forbidden(err error) bool {
	var refused *ConnectionError
	return errors.As(err, &refused) && refused.Reason == kube.Forbidden
}

// listOf lists objects of a well-known kind as their type.
func listOf[T corev1.Node | corev1.Pod | corev1.Service | networkingv1.IngressClass | networkingv1.ServiceCIDR | storagev1.StorageClass](
	ctx context.Context, cluster *kube.Cluster, q kube.Query,
) ([]T, error) {
	var out []T
	err := cluster.List(ctx, q, func(object *unstructured.Unstructured) error {
		var typed T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
			return err
		}
		out = append(out, typed)
		return nil
	})
	return out, err
}
