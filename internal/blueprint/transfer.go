package blueprint

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// TransferToken is the key of the Secret that has what the receiver must say.
const TransferToken = "token"

const transferPort = 8873

// TransferName is the name of the Secret and of the policy that let a store get a backup, in both namespaces. One store can hand out
// backups to several at once.
func TransferName(receiver string) string { return "transfer-" + receiver }

// Transfer lets a Job of one store hand a backup to a Job of another one, and nobody else: a policy and a Secret, to be filled with the
// same token, for each of them.
func Transfer(fleet string, from, to spec.Store) (policies, secrets []*unstructured.Unstructured) {
	sender, receiver := newRenderer(fleet, from), newRenderer(fleet, to)
	name, serving := TransferName(to.Name), map[string]string{LabelPhase: PhaseServe, LabelReceiver: to.Name}
	serve := sender.policy(name, metav1ac.LabelSelector().WithMatchLabels(serving), networkingv1.PolicyTypeIngress)
	serve.Spec.WithIngress(networkingv1ac.NetworkPolicyIngressRule().
		WithFrom(podsIn(to.Namespace(), map[string]string{LabelPhase: PhaseFetch})).WithPorts(tcp(transferPort)...))
	fetch := receiver.policy(name, metav1ac.LabelSelector().WithMatchLabels(map[string]string{LabelPhase: PhaseFetch}), networkingv1.PolicyTypeEgress)
	fetch.Spec.WithEgress(networkingv1ac.NetworkPolicyEgressRule().
		WithTo(podsIn(from.Namespace(), serving)).WithPorts(tcp(transferPort)...))
	return []*unstructured.Unstructured{object(serve), object(fetch)}, []*unstructured.Unstructured{sender.secret(name), receiver.secret(name)}
}
