package blueprint

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// party is one end of a connection: a pod, or an address that belongs to none.
type party struct {
	namespace string // empty for what is no pod
	labels    map[string]string
	address   netip.Addr
}

func pod(component, address string) party {
	return party{"store-acme", map[string]string{LabelComponent: component, LabelStore: "acme"}, netip.MustParseAddr(address)}
}

func host(address string) party { return party{address: netip.MustParseAddr(address)} }

var (
	webPod        = pod("web", "10.42.0.10")
	databasePod   = pod("database", "10.42.0.11")
	jobPod        = pod("job", "10.42.0.12")
	serverPod     = pod("server", "10.42.0.13")
	workerPod     = pod("worker", "10.42.0.14")
	cachePod      = pod("cache", "10.42.0.15")
	solverPod     = party{"store-acme", map[string]string{solverLabel: "true"}, netip.MustParseAddr("10.42.0.16")}
	setupPod      = party{"store-acme", map[string]string{LabelComponent: "job", LabelPhase: "setup"}, netip.MustParseAddr("10.42.0.17")}
	foreignWeb    = party{"store-other", map[string]string{LabelComponent: "web", LabelStore: "other"}, netip.MustParseAddr("10.42.1.10")}
	traefik       = party{"kube-system", map[string]string{"app.kubernetes.io/name": "traefik"}, netip.MustParseAddr("10.42.0.3")}
	falseTraefik  = party{"store-other", map[string]string{"app.kubernetes.io/name": "traefik"}, netip.MustParseAddr("10.42.1.3")}
	metricsServer = party{"kube-system", map[string]string{"k8s-app": "metrics-server"}, netip.MustParseAddr("10.42.0.4")}
	coreDNS       = party{"kube-system", map[string]string{"k8s-app": "kube-dns"}, netip.MustParseAddr("10.42.0.5")}
	nodeInternal  = host("10.0.0.5")
	nodeExternal  = host("203.0.113.5")
	nodeIPv6      = host("2001:db8::5")
	metadata      = host("169.254.169.254")
	apiServer     = host("10.43.0.1")
	shopify       = host("23.227.38.65")
	googleIPv6    = host("2607:f8b0:4004::1")
)

func k3s() *Environment {
	return &Environment{
		IngressClass:    "traefik",
		IngressPods:     &PodSelector{Namespace: "kube-system", Labels: map[string]string{"app.kubernetes.io/name": "traefik"}},
		NodeAddresses:   []netip.Addr{nodeInternal.address, nodeExternal.address, nodeIPv6.address},
		ClusterPrefixes: []netip.Prefix{netip.MustParsePrefix("10.42.0.0/24"), netip.MustParsePrefix("10.43.0.0/16")},
	}
}

func hostNetwork() *Environment {
	env := k3s()
	env.IngressPods = nil
	return env
}

func woo() spec.WooCommerce {
	return spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"}
}

func medusa() spec.Medusa {
	return spec.Medusa{Image: "registry.example.com/shop:1.4.2", AdminEmail: "shop@acme.example", Cache: true, Worker: true}
}

func chartEngine() spec.Chart {
	return spec.Chart{Source: "./chart", Service: "shop", Port: 8000, Target: 3000}
}

func store(engine spec.Engine) spec.Store {
	return spec.Store{Name: "acme", Owner: "team-acme", Host: "shop.acme.example", Engine: engine}
}

// TestReach states who may open a connection to whom, by an evaluation of the rendered policies. It proves what the objects
// say, not what a network plugin does.
func TestReach(t *testing.T) {
	without := func(engine spec.Engine) spec.Store {
		s := store(engine)
		s.Egress = spec.EgressNone
		return s
	}
	relay := woo()
	relay.SMTP = &spec.SMTP{Host: "mail.example.com", Port: 2525, From: "shop@acme.example"}

	tests := map[string]struct {
		reason   string
		store    spec.Store
		env      *Environment
		from, to party
		protocol corev1.Protocol
		port     int
		want     bool
	}{
		"web to database":              {"The shop needs its data.", store(woo()), k3s(), webPod, databasePod, corev1.ProtocolTCP, 3306, true},
		"job to database":              {"Setup and cron need the data.", store(woo()), k3s(), jobPod, databasePod, corev1.ProtocolTCP, 3306, true},
		"job to web":                   {"Checks ask the shop itself.", store(woo()), k3s(), jobPod, webPod, corev1.ProtocolTCP, 8080, true},
		"web to database, other port":  {"Only the database's port is open.", store(woo()), k3s(), webPod, databasePod, corev1.ProtocolTCP, 22, false},
		"database to web":              {"A database opens no connections.", store(woo()), k3s(), databasePod, webPod, corev1.ProtocolTCP, 8080, false},
		"database to public":           {"A stolen dump must not leave.", store(woo()), k3s(), databasePod, shopify, corev1.ProtocolTCP, 443, false},
		"other store to web":           {"Stores are strangers.", store(woo()), k3s(), foreignWeb, webPod, corev1.ProtocolTCP, 8080, false},
		"other store to database":      {"A label of another namespace counts for nothing.", store(woo()), k3s(), foreignWeb, databasePod, corev1.ProtocolTCP, 3306, false},
		"web to other store":           {"Pod networks are no public addresses.", store(woo()), k3s(), webPod, foreignWeb, corev1.ProtocolTCP, 443, false},
		"controller to web":            {"Visitors come through Traefik.", store(woo()), k3s(), traefik, webPod, corev1.ProtocolTCP, 8080, true},
		"controller to web, port 80":   {"Only the target port is open, not the Service's.", store(woo()), k3s(), traefik, webPod, corev1.ProtocolTCP, 80, false},
		"controller to database":       {"The controller has no business there.", store(woo()), k3s(), traefik, databasePod, corev1.ProtocolTCP, 3306, false},
		"controller to job":            {"Jobs serve nobody.", store(woo()), k3s(), traefik, jobPod, corev1.ProtocolTCP, 8080, false},
		"impostor to web":              {"A label without its namespace must not be enough.", store(woo()), k3s(), falseTraefik, webPod, corev1.ProtocolTCP, 8080, false},
		"neighbour of the controller":  {"A namespace without its pods must not be enough.", store(woo()), k3s(), metricsServer, webPod, corev1.ProtocolTCP, 8080, false},
		"controller to solver":         {"HTTP-01 runs in the store's namespace.", store(woo()), k3s(), traefik, solverPod, corev1.ProtocolTCP, 8089, true},
		"other store to solver":        {"Nobody else asks the solver.", store(woo()), k3s(), foreignWeb, solverPod, corev1.ProtocolTCP, 8089, false},
		"host network controller":      {"A controller on the host network comes from a node.", store(woo()), hostNetwork(), nodeInternal, webPod, corev1.ProtocolTCP, 8080, true},
		"host network, other pods":     {"Nodes are admitted, pods are not.", store(woo()), hostNetwork(), foreignWeb, webPod, corev1.ProtocolTCP, 8080, false},
		"no controller at all":         {"A rule without peers would admit everybody.", store(woo()), &Environment{}, foreignWeb, webPod, corev1.ProtocolTCP, 8080, false},
		"names over UDP":               {"Every pod looks names up.", store(woo()), k3s(), databasePod, coreDNS, corev1.ProtocolUDP, 53, true},
		"names over TCP":               {"Long answers come over TCP.", store(woo()), k3s(), webPod, coreDNS, corev1.ProtocolTCP, 53, true},
		"DNS port elsewhere":           {"Port 53 is not open to any pod.", store(woo()), k3s(), webPod, metricsServer, corev1.ProtocolUDP, 53, false},
		"web to public":                {"Payments need the internet.", store(woo()), k3s(), webPod, shopify, corev1.ProtocolTCP, 443, true},
		"web to public, IPv6":          {"So do they over IPv6.", store(woo()), k3s(), webPod, googleIPv6, corev1.ProtocolTCP, 443, true},
		"web to public mail":           {"Mail leaves on 587.", store(woo()), k3s(), webPod, shopify, corev1.ProtocolTCP, 587, true},
		"web to public SSH":            {"Other ports are closed.", store(woo()), k3s(), webPod, shopify, corev1.ProtocolTCP, 22, false},
		"relay on a port of its own":   {"A relay that was asked for must be within reach.", store(relay), k3s(), webPod, shopify, corev1.ProtocolTCP, 2525, true},
		"web to metadata":              {"The cloud's metadata service hands out credentials.", store(woo()), k3s(), webPod, metadata, corev1.ProtocolTCP, 80, false},
		"web to node, private":         {"The kubelet and SSH live there.", store(woo()), k3s(), webPod, nodeInternal, corev1.ProtocolTCP, 443, false},
		"web to node, public":          {"On a VPS the node's address is public, and the API server may listen on 443.", store(woo()), k3s(), webPod, nodeExternal, corev1.ProtocolTCP, 443, false},
		"web to node, IPv6":            {"The same over IPv6.", store(woo()), k3s(), webPod, nodeIPv6, corev1.ProtocolTCP, 443, false},
		"web to API server":            {"A shop has nothing to say to it.", store(woo()), k3s(), webPod, apiServer, corev1.ProtocolTCP, 443, false},
		"job to public":                {"Setup fetches the plugin, cron talks to gateways.", store(woo()), k3s(), jobPod, shopify, corev1.ProtocolTCP, 443, true},
		"no egress, web":               {"The profile none closes the internet.", without(woo()), k3s(), webPod, shopify, corev1.ProtocolTCP, 443, false},
		"no egress, cron":              {"Also for cron.", without(woo()), k3s(), jobPod, shopify, corev1.ProtocolTCP, 443, false},
		"no egress, setup":             {"Without its plugin the shop could never be installed.", without(woo()), k3s(), setupPod, shopify, corev1.ProtocolTCP, 443, true},
		"no egress, setup to metadata": {"Setup sees no more of the inside than others.", without(woo()), k3s(), setupPod, metadata, corev1.ProtocolTCP, 443, false},
		"no egress, medusa setup":      {"Medusa's image holds all it needs.", without(medusa()), k3s(), setupPod, shopify, corev1.ProtocolTCP, 443, false},
		"unknown cluster":              {"Without an environment nothing but the inside is open.", store(woo()), nil, traefik, webPod, corev1.ProtocolTCP, 8080, false},

		"server to database":     {"Medusa needs its data.", store(medusa()), k3s(), serverPod, databasePod, corev1.ProtocolTCP, 5432, true},
		"worker to database":     {"So does its worker.", store(medusa()), k3s(), workerPod, databasePod, corev1.ProtocolTCP, 5432, true},
		"server to cache":        {"Sessions live there.", store(medusa()), k3s(), serverPod, cachePod, corev1.ProtocolTCP, 6379, true},
		"worker to cache":        {"Events live there.", store(medusa()), k3s(), workerPod, cachePod, corev1.ProtocolTCP, 6379, true},
		"job to cache":           {"medusa exec loads every module.", store(medusa()), k3s(), jobPod, cachePod, corev1.ProtocolTCP, 6379, true},
		"controller to server":   {"Medusa listens on 9000.", store(medusa()), k3s(), traefik, serverPod, corev1.ProtocolTCP, 9000, true},
		"controller to worker":   {"A worker has no visitors.", store(medusa()), k3s(), traefik, workerPod, corev1.ProtocolTCP, 9000, false},
		"cache to database":      {"A cache opens no connections.", store(medusa()), k3s(), cachePod, databasePod, corev1.ProtocolTCP, 5432, false},
		"cache to public":        {"Nor to the outside.", store(medusa()), k3s(), cachePod, shopify, corev1.ProtocolTCP, 443, false},
		"worker to public":       {"Workers call payment providers.", store(medusa()), k3s(), workerPod, shopify, corev1.ProtocolTCP, 443, true},
		"other store to cache":   {"Stores are strangers.", store(medusa()), k3s(), foreignWeb, cachePod, corev1.ProtocolTCP, 6379, false},
		"controller to solver 2": {"HTTP-01 for Medusa.", store(medusa()), k3s(), traefik, solverPod, corev1.ProtocolTCP, 8089, true},

		"chart, own pods":           {"Only the chart knows its flows.", store(chartEngine()), k3s(), webPod, cachePod, corev1.ProtocolTCP, 11211, true},
		"chart, controller":         {"On the target port of the chart.", store(chartEngine()), k3s(), traefik, webPod, corev1.ProtocolTCP, 3000, true},
		"chart, controller on port": {"Not on the Service's.", store(chartEngine()), k3s(), traefik, webPod, corev1.ProtocolTCP, 8000, false},
		"chart, other store":        {"Stores are strangers.", store(chartEngine()), k3s(), foreignWeb, webPod, corev1.ProtocolTCP, 3000, false},
		"chart, metadata":           {"The same walls hold for a user's chart.", store(chartEngine()), k3s(), webPod, metadata, corev1.ProtocolTCP, 80, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ForStore("production", tc.store, tc.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := policiesOf(t, b.Guardrails).allow(tc.from, tc.to, tc.protocol, tc.port); got != tc.want {
				t.Errorf("%s: connection allowed: %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

type policies []networkingv1.NetworkPolicy

func policiesOf(t *testing.T, objects []*unstructured.Unstructured) policies {
	t.Helper()
	var all policies
	for _, o := range objects {
		if o.GetKind() == "NetworkPolicy" {
			all = append(all, typed[networkingv1.NetworkPolicy](t, o))
		}
	}
	return all
}

// allow evaluates the policies of one namespace as Kubernetes defines them: a pod that any policy selects for a direction may
// only do what some such policy allows, and both ends must agree.
func (all policies) allow(from, to party, protocol corev1.Protocol, port int) bool {
	namespace := all[0].Namespace
	leaves, arrives := from.namespace != namespace, to.namespace != namespace
	for _, p := range all {
		if from.namespace == namespace && selects(&p.Spec.PodSelector, from.labels) {
			for _, rule := range p.Spec.Egress {
				leaves = leaves || matches(namespace, rule.To, to) && opens(rule.Ports, protocol, port)
			}
		}
		if to.namespace == namespace && selects(&p.Spec.PodSelector, to.labels) {
			for _, rule := range p.Spec.Ingress {
				arrives = arrives || matches(namespace, rule.From, from) && opens(rule.Ports, protocol, port)
			}
		}
	}
	return leaves && arrives
}

func matches(namespace string, peers []networkingv1.NetworkPolicyPeer, other party) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		if peer.IPBlock != nil {
			inside := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(other.address) }
			return inside(peer.IPBlock.CIDR) && !slices.ContainsFunc(peer.IPBlock.Except, inside)
		}
		if other.namespace == "" {
			return false
		}
		inNamespace := other.namespace == namespace
		if peer.NamespaceSelector != nil {
			inNamespace = selects(peer.NamespaceSelector, map[string]string{corev1.LabelMetadataName: other.namespace})
		}
		return inNamespace && (peer.PodSelector == nil || selects(peer.PodSelector, other.labels))
	})
}

func opens(ports []networkingv1.NetworkPolicyPort, protocol corev1.Protocol, port int) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return *p.Protocol == protocol && p.Port.IntValue() == port
	})
}

func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		panic(err)
	}
	return s.Matches(labels.Set(maps.Clone(set)))
}

// TestEveryPodIsIsolated guards the assumption of the evaluation: default-deny selects every pod in both directions.
func TestEveryPodIsIsolated(t *testing.T) {
	b, err := ForStore("production", store(woo()), nil)
	if err != nil {
		t.Fatal(err)
	}
	deny := policiesOf(t, b.Guardrails)[0]
	if deny.Name != "default-deny" || len(deny.Spec.PodSelector.MatchLabels) > 0 || len(deny.Spec.PolicyTypes) != 2 || len(deny.Spec.Ingress)+len(deny.Spec.Egress) > 0 {
		t.Errorf("the first policy must deny everything, got %+v", deny.Spec)
	}
}
