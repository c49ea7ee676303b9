package blueprint

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// podSecurityVersion pins what "restricted" means, so that an upgrade of the cluster never refuses a running store's next
// pod. It is the version that every rendered pod is tested against. An older API server takes a version above its own for
// its latest, without a warning (k8s.io/pod-security-admission v0.37.2, policy/registry.go).
const podSecurityVersion = "v1.37"

// podSecurityLabels refuse pods below the restricted standard, and warn early of what its next version will refuse.
var podSecurityLabels = map[string]string{
	"pod-security.kubernetes.io/enforce":         "restricted",
	"pod-security.kubernetes.io/enforce-version": podSecurityVersion,
	"pod-security.kubernetes.io/warn":            "restricted",
	"pod-security.kubernetes.io/warn-version":    "latest",
	"pod-security.kubernetes.io/audit":           "restricted",
	"pod-security.kubernetes.io/audit-version":   "latest",
}

func namespace(fleet string, s spec.Store) *corev1ac.NamespaceApplyConfiguration {
	return corev1ac.Namespace(s.Namespace()).WithLabels(namespaceLabels(fleet, s))
}

// serviceAccount is the identity of every pod of a store. It carries no token and no role: a pod has nothing to say to the
// API server.
func serviceAccount(fleet string, s spec.Store) *corev1ac.ServiceAccountApplyConfiguration {
	return corev1ac.ServiceAccount(ServiceAccount, s.Namespace()).
		WithLabels(objectLabels(fleet, s)).
		WithAutomountServiceAccountToken(false)
}
