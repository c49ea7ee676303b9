package blueprint

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Names of what lets a backup go from one store to another.
const (
	TransferName  = "transfer" // Secret and policy in both namespaces meanwhile
	TransferToken = "token"    // key of the Secret: what the receiver must say
	transferPort  = 8873
)

// Transfer lets a Job of one store hand a backup to a Job of another one, and nobody else: a policy and a Secret, to be filled with the
// same token, for each of them.
func Transfer(fleet string, from, to spec.Store) []*unstructured.Unstructured {
	sender, receiver := newRenderer(fleet, from), newRenderer(fleet, to)
	serve := sender.policy(TransferName, phase(PhaseServe), networkingv1.PolicyTypeIngress)
	serve.Spec.WithIngress(networkingv1ac.NetworkPolicyIngressRule().
		WithFrom(podsIn(to.Namespace(), map[string]string{LabelPhase: PhaseFetch})).WithPorts(tcp(transferPort)...))
	fetch := receiver.policy(TransferName, phase(PhaseFetch), networkingv1.PolicyTypeEgress)
	fetch.Spec.WithEgress(networkingv1ac.NetworkPolicyEgressRule().
		WithTo(podsIn(from.Namespace(), map[string]string{LabelPhase: PhaseServe})).WithPorts(tcp(transferPort)...))
	return []*unstructured.Unstructured{object(serve), object(fetch), sender.secret(TransferName), receiver.secret(TransferName)}
}

func phase(name string) *pods {
	return metav1ac.LabelSelector().WithMatchLabels(map[string]string{LabelPhase: name})
}
