package blueprint

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Names of the policies that depend on the cluster.
const (
	ingressPolicy = "ingress-controller"
	solverPolicy  = "acme-solver"
	egressPolicy  = "egress"
	setupPolicy   = "egress-setup"
)

// cert-manager's HTTP-01 solver runs in the namespace of the certificate, which is the store's (cert-manager/website#1827).
const (
	solverLabel = "acme.cert-manager.io/http01-solver"
	solverPort  = 8089
)

type (
	policy  = networkingv1ac.NetworkPolicyApplyConfiguration
	peer    = networkingv1ac.NetworkPolicyPeerApplyConfiguration
	pods    = metav1ac.LabelSelectorApplyConfiguration
	ports   = []*networkingv1ac.NetworkPolicyPortApplyConfiguration
	traffic = networkingv1.PolicyType
)

// basePolicies hold in every cluster: nothing goes in or out, except name lookups and the flows between the store's own pods.
func (r renderer) basePolicies() []*policy {
	deny := r.policy("default-deny", metav1ac.LabelSelector(), networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)

	dns := r.policy("dns", metav1ac.LabelSelector(), networkingv1.PolicyTypeEgress)
	dns.Spec.WithEgress(networkingv1ac.NetworkPolicyEgressRule().
		WithTo(podsIn("kube-system", map[string]string{"k8s-app": "kube-dns"})).
		WithPorts(portOf(corev1.ProtocolUDP, 53), portOf(corev1.ProtocolTCP, 53)))

	return append([]*policy{deny, dns}, r.internalPolicies()...)
}

// internalPolicies allow the flows between the store's own pods, one policy for each component. Both ends of a flow need a
// rule, because both directions are denied by default.
func (r renderer) internalPolicies() []*policy {
	if r.store.Engine.Kind() == spec.KindChart {
		all := r.policy("internal", metav1ac.LabelSelector(), networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
		own := networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector())
		all.Spec.
			WithIngress(networkingv1ac.NetworkPolicyIngressRule().WithFrom(own)).
			WithEgress(networkingv1ac.NetworkPolicyEgressRule().WithTo(own))
		return []*policy{all}
	}
	flows := flowsOf(r.store.Engine)
	var all []*policy
	for _, name := range componentsOf(flows) {
		one := r.policy("internal-"+name, component(name))
		for _, f := range flows {
			if f.to == name {
				one.Spec.WithIngress(networkingv1ac.NetworkPolicyIngressRule().WithFrom(toPods(f.from)).WithPorts(tcp(f.port)...))
			}
			if f.from == name {
				one.Spec.WithEgress(networkingv1ac.NetworkPolicyEgressRule().WithTo(toPods(f.to)).WithPorts(tcp(f.port)...))
			}
		}
		if len(one.Spec.Ingress) > 0 {
			one.Spec.WithPolicyTypes(networkingv1.PolicyTypeIngress)
		}
		if len(one.Spec.Egress) > 0 {
			one.Spec.WithPolicyTypes(networkingv1.PolicyTypeEgress)
		}
		all = append(all, one)
	}
	return all
}

// flow is a connection that one component opens to another, on the target port of the pods.
type flow struct {
	from, to string
	port     int
}

// flowsOf lists every connection within an embedded engine. The database has no other visitors, and opens none.
func flowsOf(engine spec.Engine) []flow {
	medusa, ok := engine.(spec.Medusa)
	if !ok {
		return []flow{
			{componentWeb, componentDatabase, mariadbPort},
			{componentJob, componentDatabase, mariadbPort},
			{componentJob, componentWeb, webPort},
		}
	}
	flows := []flow{
		{componentServer, componentDatabase, postgresPort},
		{componentJob, componentDatabase, postgresPort},
		{componentJob, componentServer, serverPort},
	}
	if medusa.Worker {
		flows = append(flows, flow{componentWorker, componentDatabase, postgresPort})
	}
	if medusa.Cache {
		flows = append(flows, flow{componentServer, componentCache, cachePort}, flow{componentJob, componentCache, cachePort})
	}
	if medusa.Cache && medusa.Worker {
		flows = append(flows, flow{componentWorker, componentCache, cachePort})
	}
	return flows
}

func componentsOf(flows []flow) []string {
	var names []string
	for _, f := range flows {
		names = append(names, f.from, f.to)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ingressPolicies let the ingress controller, and nobody else, reach the shop and the solver of ACME challenges. There are
// none when the cluster has no controller: a rule without peers would admit everybody.
func (r renderer) ingressPolicies(env Environment) []*policy {
	controller := controllerPeers(env)
	if len(controller) == 0 {
		return nil
	}
	admit := func(name string, selector *pods, port int) *policy {
		p := r.policy(name, selector, networkingv1.PolicyTypeIngress)
		p.Spec.WithIngress(networkingv1ac.NetworkPolicyIngressRule().WithFrom(controller...).WithPorts(tcp(port)...))
		return p
	}
	front := r.front()
	selector := metav1ac.LabelSelector()
	if front.component != "" {
		selector = component(front.component)
	}
	return []*policy{
		admit(ingressPolicy, selector, front.target),
		admit(solverPolicy, metav1ac.LabelSelector().WithMatchLabels(map[string]string{solverLabel: "true"}), solverPort),
	}
}

// controllerPeers select the ingress controller. Namespace and pods stand in one peer: in two they would admit every pod of
// that namespace, and pods of that name in every namespace. A controller on the host network has the addresses of its nodes.
func controllerPeers(env Environment) []*peer {
	if env.IngressPods != nil {
		return []*peer{podsIn(env.IngressPods.Namespace, env.IngressPods.Labels)}
	}
	if env.IngressClass == "" {
		return nil
	}
	var peers []*peer
	for _, addr := range nodePrefixes(env) {
		peers = append(peers, networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(addr.String())))
	}
	return peers
}

// egressPolicies open the public internet to the pods that talk to it: payments, updates and mail. Databases and caches
// never do. Without egress the setup of WooCommerce still fetches its plugin, from its own pod and over HTTPS alone.
func (r renderer) egressPolicies(env Environment) []*policy {
	name, selector, open := r.egress()
	if name == "" {
		return nil
	}
	p := r.policy(name, selector, networkingv1.PolicyTypeEgress)
	p.Spec.WithEgress(networkingv1ac.NetworkPolicyEgressRule().WithTo(publicPeers(env)...).WithPorts(tcp(open...)...))
	return []*policy{p}
}

// egress returns the policy for the store's profile: its name, empty when nothing is open, its pods and its ports.
func (r renderer) egress() (name string, selector *pods, open []int) {
	woo, isWoo := r.store.Engine.(spec.WooCommerce)
	switch {
	case r.store.Egress == spec.EgressWeb && r.store.Engine.Kind() == spec.KindChart:
		return egressPolicy, metav1ac.LabelSelector(), webPorts()
	case r.store.Egress == spec.EgressWeb:
		selector := metav1ac.LabelSelector().WithMatchExpressions(metav1ac.LabelSelectorRequirement().
			WithKey(LabelComponent).
			WithOperator(metav1.LabelSelectorOpIn).
			WithValues(componentJob, componentServer, componentWeb, componentWorker))
		open := webPorts()
		if isWoo && woo.SMTP != nil && !slices.Contains(open, woo.SMTP.Port) {
			open = append(open, woo.SMTP.Port) // a relay on another port would lose every mail in silence
		}
		return egressPolicy, selector, open
	case isWoo:
		return setupPolicy, metav1ac.LabelSelector().WithMatchLabels(map[string]string{LabelPhase: "setup"}), []int{443}
	default:
		return "", nil, nil
	}
}

func webPorts() []int { return []int{80, 443, 587} }

func (r renderer) policy(name string, selector *pods, types ...traffic) *policy {
	return networkingv1ac.NetworkPolicy(name, r.store.Namespace()).
		WithLabels(r.labels).
		WithSpec(networkingv1ac.NetworkPolicySpec().WithPodSelector(selector).WithPolicyTypes(types...))
}

func component(name string) *pods {
	return metav1ac.LabelSelector().WithMatchLabels(map[string]string{LabelComponent: name})
}

func toPods(name string) *peer {
	return networkingv1ac.NetworkPolicyPeer().WithPodSelector(component(name))
}

func podsIn(namespace string, labels map[string]string) *peer {
	return networkingv1ac.NetworkPolicyPeer().
		WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: namespace})).
		WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(labels))
}

func tcp(numbers ...int) ports {
	var all ports
	for _, n := range numbers {
		all = append(all, portOf(corev1.ProtocolTCP, n))
	}
	return all
}

func portOf(protocol corev1.Protocol, number int) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(int32(number))) //nolint:gosec // a port
}
