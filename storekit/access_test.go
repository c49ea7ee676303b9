package storekit_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/yaml"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// readers are the rights of the role that the guide gives to accounts which only plan.
func readers(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	data, err := os.ReadFile("../examples/plan-only-account/cluster_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(data, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// recording wraps a client configuration so that every request passes through see first.
func recording(config *rest.Config, see func(*http.Request)) *rest.Config {
	recorded := rest.CopyConfig(config)
	recorded.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			see(req)
			return next.RoundTrip(req)
		})
	})
	return recorded
}

// A preview shows the same drift to an account that may only read, says that it could not try the changes, and writes nothing
// whoever asks.
func TestPreviewNeverWrites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("readonly")
	p := program(s)
	h.up(t, p)
	e := h.editor(t, s)
	for _, tamper := range []edit{
		e.patch("ResourceQuota", "services", `{"spec":{"hard":{"limits.cpu":"64"}}}`),
		e.patch("NetworkPolicy", "dns", `[{"op":"add","path":"/spec/egress/-","value":{}}]`),
		e.patch("Deployment", "web", `strategic {"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example.com/x:1","env":[{"name":"FOO","value":"bar"}]}]}}}}`),
		e.patch("ConfigMap", "settings", `{"data":{"SHOP_TITLE":"Evil"}}`),
	} {
		if err := tamper(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := changed(h.preview(t, p).Steps[0].Changes)
	if len(want) != 5 {
		t.Fatalf("the owner sees %v", want)
	}
	wantText := h.preview(t, p).Steps[0].Changes
	for name, tc := range map[string]struct {
		reason string
		config *rest.Config
		dryRun bool // dry runs pass
	}{
		"read-only account": {"plans run under an account that cannot write", h.cluster.User(t, "reader", readers(t)), false},
		"owner":             {"dry runs are no writes", h.config, true},
	} {
		t.Run(name, func(t *testing.T) {
			var refused []string
			config := recording(tc.config, func(req *http.Request) {
				if req.Method != http.MethodGet && req.URL.Query().Get("dryRun") != "All" {
					refused = append(refused, req.Method+" "+req.URL.Path)
				}
			})
			preview, err := h.connect(t, config).Preview(t.Context(), p)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			client, err := storekit.Connect(config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Cluster(t.Context()); err != nil {
				t.Errorf("%s: the data source of the cluster: %v", tc.reason, err)
			}
			if diff := cmp.Diff(wantText, preview.Steps[0].Changes); diff != "" {
				t.Errorf("%s: (-owner +got)\n%s", tc.reason, diff)
			}
			if len(refused) > 0 {
				t.Errorf("%s: %v was sent", tc.reason, refused)
			}
			warned := slices.ContainsFunc(preview.Warnings, func(text string) bool { return strings.Contains(text, "dry runs are forbidden") })
			if warned == tc.dryRun {
				t.Errorf("%s: warnings %v", tc.reason, preview.Warnings)
			}
		})
	}
}

// An account that may not list all namespaces reads stores one by one, and says so once.
func TestAccountOfSomeNamespaces(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	one, two := h.woocommerce("one"), h.woocommerce("two")
	p := program(one, two)
	h.up(t, p)
	look := []string{"get", "list"}
	config := h.cluster.User(t, "tenant", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Verbs: look, Resources: []string{"namespaces", "nodes"}},
		{APIGroups: []string{"networking.k8s.io"}, Verbs: look, Resources: []string{"ingressclasses", "servicecidrs"}},
	})
	for _, namespace := range []string{one.Namespace(), two.Namespace(), "kube-system"} {
		grant(t, h.cluster, config, namespace)
	}
	client, err := storekit.Connect(config, storekit.WithSharedReads(), storekit.WithDNSServers(h.cluster.DNS))
	if err != nil {
		t.Fatal(err)
	}
	preview, err := client.Fleet(h.name).Preview(t.Context(), p, storekit.NoPrune())
	if err != nil {
		t.Fatal(err)
	}
	if !preview.Empty() {
		t.Errorf("preview:\n%s", preview)
	}
	var kinds []string
	for _, warning := range preview.Warnings {
		kinds = append(kinds, strings.Join(strings.Fields(warning)[:9], " "))
	}
	want := []string{"this account may not list objects of all namespaces,", "this account may not list pods and services of"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
}

// grant lets the account of a configuration read what stores consist of in one namespace.
func grant(t *testing.T, cluster *testcluster.Cluster, config *rest.Config, namespace string) {
	t.Helper()
	account := accountOf(t, config)
	rbac := cluster.Client().RbacV1()
	meta := metav1.ObjectMeta{Name: account, Namespace: namespace}
	if _, err := rbac.Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: readers(t)}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: account}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing tells when the API server has read a new role.
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := client.NetworkingV1().Ingresses(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// accountOf is the name of the service account of a configuration.
func accountOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name := review.Status.UserInfo.Username
	return name[strings.LastIndex(name, ":")+1:]
}

// countingLimiter lets everything pass and counts.
type countingLimiter struct {
	flowcontrol.RateLimiter
	passed atomic.Int64
}

func (l *countingLimiter) Wait(context.Context) error {
	l.passed.Add(1)
	return nil
}

// One rate limit holds for every client of a connection, Helm's and discovery's too.
func TestRateLimitCoversEveryRequest(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	limiter := &countingLimiter{RateLimiter: flowcontrol.NewFakeAlwaysRateLimiter()}
	var sent atomic.Int64
	config := recording(h.config, func(req *http.Request) {
		if !req.URL.Query().Has("watch") { // client-go never limits watches: each is one long answer
			sent.Add(1)
		}
	})
	config.RateLimiter = limiter
	h.fleet = h.connect(t, config)
	s := h.woocommerce("limited")
	s.Host, s.Engine = "", spec.Chart{Source: "testdata/chart"} // has a kind that needs discovery
	h.up(t, program(s))
	if _, err := h.fleet.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent.Load() == 0 || limiter.passed.Load() < sent.Load() {
		t.Errorf("%d requests were sent, %d asked the limiter", sent.Load(), limiter.passed.Load())
	}
}
