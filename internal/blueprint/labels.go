package blueprint

import (
	"maps"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Names under which a store is found again. They are part of the product's contract with what it made: no version and no
// binary's name occurs in them.
const (
	FieldManager    = "storeplatform"
	SystemNamespace = "storeplatform-system"

	LabelFleet  = "storeplatform.io/fleet"
	LabelStore  = "storeplatform.io/store"
	LabelOwner  = "storeplatform.io/owner"
	LabelPlan   = "storeplatform.io/plan"
	LabelEngine = "storeplatform.io/engine"
	LabelRecord = "storeplatform.io/record" // on records: "store", "plan", "host"
	LabelPhase  = "storeplatform.io/phase"  // "setup" on pods that install or migrate a shop

	LabelComponent = "app.kubernetes.io/component" // "web", "database", "worker", "cache", "server", "job"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	AnnotationHost = "storeplatform.io/host" // on the Ingress of a domain: the host, which is too long for a label

	ReleaseName     = "store"       // of the Helm release in every store's namespace
	CredentialsName = "credentials" // Secret of generated passwords and keys
	AdminName       = "admin"       // Secret of the administrator's name and password
	SMTPName        = "smtp"        // Secret of the mail relay
	ServiceAccount  = "store"
)

// Values of [LabelComponent].
const (
	componentWeb      = "web"
	componentServer   = "server"
	componentWorker   = "worker"
	componentDatabase = "database"
	componentCache    = "cache"
	componentJob      = "job"
)

// commonLabels find everything of a store. They never change while the store exists.
func commonLabels(fleet string, s spec.Store) map[string]string {
	return map[string]string{LabelFleet: fleet, LabelStore: s.Name}
}

// objectLabels are on every object of the blueprint. The objects of the chart get [LabelManagedBy] from Helm.
func objectLabels(fleet string, s spec.Store) map[string]string {
	labels := commonLabels(fleet, s)
	labels[LabelManagedBy] = FieldManager
	return labels
}

// namespaceLabels tell on the namespace what the store is, so that one LIST of namespaces answers for all stores.
func namespaceLabels(fleet string, s spec.Store) map[string]string {
	labels := objectLabels(fleet, s)
	maps.Copy(labels, map[string]string{
		LabelOwner:  s.Owner,
		LabelPlan:   s.Plan.Name(),
		LabelEngine: string(s.Engine.Kind()),
	})
	maps.Copy(labels, podSecurityLabels)
	return labels
}
