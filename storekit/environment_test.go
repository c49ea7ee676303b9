package storekit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const (
	helmChartKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: helmcharts.helm.cattle.io}
spec:
  group: helm.cattle.io
  scope: Namespaced
  names: {kind: HelmChart, plural: helmcharts}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`
	traefikChart = `
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: traefik, namespace: kube-system}
spec: {chart: "https://%{KUBERNETES_API}%/static/charts/traefik-39.0.201+up39.0.2.tgz"}
`
)

// youngK3s is a cluster in the minute in which k3s has yet to install its Traefik.
type youngK3s struct{ *harness }

func newYoungK3s(t *testing.T) youngK3s {
	t.Helper()
	cluster := testcluster.StartOwn(t)
	return youngK3s{&harness{cluster: cluster, config: cluster.RESTConfig, name: cluster.Fleet(t)}}
}

// eventually waits until the cluster is so.
func eventually(ctx context.Context, t *testing.T, what string, holds func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, holds); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// create makes an object as soon as the API server serves its kind.
func (k youngK3s) create(t *testing.T, resource schema.GroupVersionResource, namespace, manifest string) {
	t.Helper()
	object := new(unstructured.Unstructured)
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(k.config)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t.Context(), t, "create "+object.GetName(), func(ctx context.Context) (bool, error) {
		_, err := client.Resource(resource).Namespace(namespace).Create(ctx, object, metav1.CreateOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// uninstallTraefik removes what the chart of k3s makes. The function that it returns brings it back.
func (k youngK3s) uninstallTraefik(t *testing.T) (install func()) {
	t.Helper()
	const name, system = "traefik", metav1.NamespaceSystem
	ctx, client := t.Context(), k.cluster.Client()
	classes, services, deployments := client.NetworkingV1().IngressClasses(), client.CoreV1().Services(system), client.AppsV1().Deployments(system)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	class, err := classes.Get(ctx, name, metav1.GetOptions{})
	must(err)
	service, err := services.Get(ctx, name, metav1.GetOptions{})
	must(err)
	deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
	must(err)
	must(classes.Delete(ctx, name, metav1.DeleteOptions{}))
	must(services.Delete(ctx, name, metav1.DeleteOptions{}))
	must(deployments.Delete(ctx, name, metav1.DeleteOptions{}))
	running := func(want bool) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			pods, err := client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=traefik"})
			return err == nil && (len(pods.Items) > 0) == want, err
		}
	}
	eventually(ctx, t, "pods of Traefik go", running(false))
	return func() {
		t.Helper()
		class.ResourceVersion, service.ResourceVersion, deployment.ResourceVersion = "", "", ""
		service.Spec.ClusterIP, service.Spec.ClusterIPs = "", nil
		_, err := classes.Create(ctx, class, metav1.CreateOptions{})
		must(err)
		_, err = services.Create(ctx, service, metav1.CreateOptions{})
		must(err)
		_, err = deployments.Create(ctx, deployment, metav1.CreateOptions{})
		must(err)
		eventually(ctx, t, "pods of Traefik come", running(true))
		eventually(ctx, t, "Traefik gets its address", func(ctx context.Context) (bool, error) {
			now, err := services.Get(ctx, name, metav1.GetOptions{})
			return err == nil && len(now.Status.LoadBalancer.Ingress) > 0, err
		})
	}
}

// In a new cluster of k3s the ingress controller comes after the first stores. They are made for it all the same, and nothing is left to be
// changed once it is there.
func TestStoresBeforeTheIngressController(t *testing.T) {
	t.Parallel()
	k := newYoungK3s(t)
	install := k.uninstallTraefik(t)
	connect := func(opts ...storekit.ClientOption) *storekit.Client {
		t.Helper()
		client, err := storekit.Connect(k.config, append(opts, storekit.WithSharedReads(), storekit.WithDNSServers(k.cluster.DNS))...)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	type place struct {
		Class     string
		Addresses []string
	}
	placeOf := func(client *storekit.Client) place {
		t.Helper()
		if err := client.AwaitCluster(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		cluster, err := client.Cluster(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return place{cluster.IngressClass, cluster.Addresses}
	}

	early := connect()
	if diff := cmp.Diff(place{"", []string{testcluster.Address}}, placeOf(early)); diff != "" {
		t.Errorf("k3s without Traefik announces none (-want +got):\n%s", diff)
	}
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	k.create(t, definitions, "", helmChartKind)
	k.create(t, schema.GroupVersionResource{Group: "helm.cattle.io", Version: "v1", Resource: "helmcharts"}, metav1.NamespaceSystem, traefikChart)
	announced := place{"traefik", []string{testcluster.Address}}
	if diff := cmp.Diff(announced, placeOf(early)); diff != "" {
		t.Errorf("what was read before k3s said so is not read again (-want +got):\n%s", diff)
	}

	readers := readers(t)
	blind := slices.DeleteFunc(slices.Clone(readers), func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, "helmcharts") })
	for want, rules := range map[string][]rbacv1.PolicyRule{"traefik": readers, "": blind} {
		client, err := storekit.Connect(k.cluster.User(t, "reader", rules))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := client.Cluster(t.Context()); err != nil || got.IngressClass != want {
			t.Errorf("an account that only reads: want class %q, got %+v, %v", want, got, err)
		}
	}

	s := k.woocommerce("shop")
	s.Engine = spec.Chart{Source: "testdata/chart", Service: "front", Port: 80, Target: 8080}
	p := program(s)
	k.fleet = early.Fleet(k.name)
	k.up(t, p)
	policy, err := k.cluster.Client().NetworkingV1().NetworkPolicies(s.Namespace()).Get(t.Context(), "ingress-controller", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("nobody may visit the shop: %v", err)
	}
	want := []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kube-system"}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "traefik"}},
	}}
	if diff := cmp.Diff(want, policy.Spec.Ingress[0].From); diff != "" {
		t.Errorf("who may visit the shop (-want +got):\n%s", diff)
	}

	unchanged := func(when string) {
		for name, options := range map[string][]storekit.ClientOption{"default class": nil, "configured class": {storekit.WithIngressClass("traefik")}} {
			client := connect(options...)
			if diff := cmp.Diff(announced, placeOf(client)); diff != "" {
				t.Errorf("%s, %s: where Traefik is (-want +got):\n%s", when, name, diff)
			}
			k.fleet = client.Fleet(k.name)
			if preview := k.preview(t, p); !preview.Empty() {
				t.Errorf("%s, %s: the store should be another one:\n%s", when, name, preview)
			}
		}
	}
	unchanged("before Traefik")
	install()
	unchanged("after Traefik")
}
