package provider

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// listed is what a list block came to.
type listed struct {
	names      []string // display names, sorted
	identities []tftypes.Value
	resources  []*object // nil where there is none
	messages   string
}

// list lists resources and takes at most take results, all when it is negative.
func (h *harness) list(req *tfprotov6.ListResourceRequest, config fields, take int) listed {
	h.t.Helper()
	req.TypeName = storeType
	req.Config = h.dynamic(value(h.schema.ListResourceSchemas[storeType].ValueType(), config))
	stream, err := h.server.ListResource(h.t.Context(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	var out listed
	for result := range stream.Results {
		out.messages += render(result.Diagnostics)
		if result.Identity != nil {
			identity, err := result.Identity.IdentityData.Unmarshal(h.identityType(storeType))
			if err != nil {
				h.t.Fatal(err)
			}
			out.names, out.identities = append(out.names, result.DisplayName), append(out.identities, identity)
			out.resources = append(out.resources, h.objectOf(h.resourceType(storeType), result.Resource, nil, nil))
		}
		if take--; take == 0 {
			break
		}
	}
	slices.Sort(out.names)
	return out
}

// slowServer stands between a provider and the API server: it lists in pages of two, and refuses lists of namespaces from the
// given page on. It counts those pages.
type slowServer struct {
	*httptest.Server
	pages      atomic.Int32
	refuseFrom atomic.Int32
}

func (a acceptance) slowServer(t *testing.T) *slowServer {
	t.Helper()
	target, err := url.Parse(a.cluster.RESTConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(a.cluster.RESTConfig)
	if err != nil {
		t.Fatal(err)
	}
	s := new(slowServer)
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(req *httputil.ProxyRequest) {
		req.SetURL(target)
		if query := req.Out.URL.Query(); query.Has("limit") {
			query.Set("limit", "2")
			req.Out.URL.RawQuery = query.Encode()
		}
	}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/v1/namespaces" && req.URL.Query().Has("limit") {
			if page := s.pages.Add(1); s.refuseFrom.Load() > 0 && page >= s.refuseFrom.Load() {
				http.Error(w, "refused by the test", http.StatusForbidden)
				return
			}
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestAccListStores(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	server := a.slowServer(t)
	h := configuredHarness(t, fields{"host": server.URL, "fleet": a.fleet})
	if got := h.list(&tfprotov6.ListResourceRequest{}, nil, -1); len(got.names) != 0 || got.messages != "" {
		t.Errorf("a fleet without stores: got %+v", got)
	}
	var all []string
	for i := range 5 {
		name := fmt.Sprintf("%s-%d", a.name, i)
		all = append(all, name)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "store-" + name, Labels: map[string]string{
			"storeplatform.io/fleet": a.fleet, "storeplatform.io/store": name, "storeplatform.io/plan": "gold",
			"storeplatform.io/owner": fmt.Sprintf("team-%d", i%2), "storeplatform.io/engine": []string{"medusa", "chart", "woocommerce"}[i%3],
		}}}
		if _, err := a.cluster.Client().CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	for name, test := range map[string]struct {
		reason string
		config fields
		limit  int64
		take   int
		refuse int32
		want   int      // results, of the first stores when names is nil
		names  []string // exactly these
		pages  int32    // that must be read; 0 is not looked at
		says   []string
	}{
		"all":          {reason: "every page is read, each store comes once", take: -1, names: all, pages: 3},
		"limit":        {reason: "no page is read in vain", limit: 3, take: -1, want: 3, pages: 2},
		"limit above":  {reason: "a limit adds nothing", limit: 100, take: -1, names: all, pages: 3},
		"limit exact":  {reason: "the last store counts", limit: 5, take: -1, names: all, pages: 3},
		"CLI stops":    {reason: "Ctrl-C", take: 1, want: 1, pages: 1},
		"owner":        {reason: "the stores of one customer", config: fields{"owner": "team-1"}, take: -1, names: []string{all[1], all[3]}},
		"engine":       {reason: "the stores of one engine", config: fields{"engine": "medusa"}, take: -1, names: []string{all[0], all[3]}},
		"everything":   {reason: "every filter counts", config: fields{"owner": "team-0", "engine": "chart", "plan": "gold"}, take: -1, names: []string{all[4]}},
		"nobody":       {reason: "no result is no error", config: fields{"owner": "nobody"}, take: -1},
		"bad owner":    {reason: "it would be a selector of its own", config: fields{"owner": "a,b"}, take: -1, says: []string{"ERROR owner", "a,b"}},
		"error":        {reason: "an error at once", take: -1, refuse: 1, pages: 1, says: []string{"ERROR", "Cluster Forbids It"}},
		"error midway": {reason: "a list that breaks off must not look whole", take: -1, refuse: 2, want: 2, pages: 2, says: []string{"ERROR", "Cluster Forbids It"}},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they count requests
			server.pages.Store(0)
			server.refuseFrom.Store(test.refuse)
			got := h.list(&tfprotov6.ListResourceRequest{Limit: test.limit}, test.config, test.take)
			if test.names != nil {
				if diff := cmp.Diff(test.names, got.names); diff != "" {
					t.Errorf("%s (-want +got)\n%s", test.reason, diff)
				}
			} else if len(got.names) != test.want {
				t.Errorf("%s: want %d results, got %v", test.reason, test.want, got.names)
			}
			if pages := server.pages.Load(); test.pages > 0 && pages != test.pages {
				t.Errorf("%s: read %d pages, want %d", test.reason, pages, test.pages)
			}
			mustSay(t, got.messages, test.says...)
			if len(test.says) == 0 && got.messages != "" || strings.Count(got.messages, "ERROR") > 1 {
				t.Errorf("%s: unexpected messages %s", test.reason, got.messages)
			}
			for i, identity := range got.identities {
				if name := attributeOf(identity, "name"); !slices.Contains(all, name) || attributeOf(identity, "fleet") != a.fleet {
					t.Errorf("%s: result %d has identity %s", test.reason, i, identity)
				}
				if got.resources[i] != nil {
					t.Errorf("%s: result %d has a resource that nobody asked for", test.reason, i)
				}
			}
		})
	}
	server.refuseFrom.Store(0)

	// Half-made stores are shown, and what to do about them is said.
	got := h.list(&tfprotov6.ListResourceRequest{IncludeResource: true, Limit: 1}, nil, -1)
	mustSay(t, got.messages, "WARNING", "Store Has No Record")
	if len(got.names) != 1 || got.resources[0] == nil {
		t.Errorf("a half-made store: got %+v", got)
	}
}

func TestAccListedStoreIsWhatAnImportGives(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	maker := a.onCluster(t)
	store := mustApply(t, maker, nil, a.fields(fields{"deletion_protection": false, "host": a.name + ".acme.example"}))
	h := a.onCluster(t)
	got := h.list(&tfprotov6.ListResourceRequest{IncludeResource: true}, nil, -1)
	if len(got.resources) != 1 || got.resources[0] == nil || got.messages != "" {
		t.Fatalf("want one result, got %v %s", got.names, got.messages)
	}
	imported, messages := h.importByIdentity(storeType, fields{"name": got.names[0]})
	if imported == nil || messages != "" {
		t.Fatalf("import: %s", messages)
	}
	if differences, _ := imported.state.Diff(got.resources[0].state); len(differences) > 0 {
		t.Errorf("the listed store is not the imported one: %v", differences)
	}
	mustApply(t, maker, store, nil)
}

func TestListNeedsACluster(t *testing.T) {
	t.Parallel()
	h := configuredHarness(t, fields{"kubeconfig": unknown{}})
	got := h.list(&tfprotov6.ListResourceRequest{}, nil, -1)
	if len(got.names) != 0 || strings.Count(got.messages, "ERROR") != 1 {
		t.Errorf("want one error and nothing else, got %+v", got)
	}
	mustSay(t, got.messages, "Cluster Not Known Yet", "Listing stores")
}

func TestListFilterIsValidated(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	resp, err := h.server.ValidateListResourceConfig(t.Context(), &tfprotov6.ValidateListResourceConfigRequest{
		TypeName: storeType, Config: h.dynamic(value(h.schema.ListResourceSchemas[storeType].ValueType(), fields{"engine": "magento", "owner": ""})),
	})
	if err != nil {
		t.Fatal(err)
	}
	mustSay(t, render(resp.Diagnostics), "ERROR engine", "woocommerce", "ERROR owner")
}
