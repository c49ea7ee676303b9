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
	LabelPhase  = "storeplatform.io/phase"  // what a Job does, see the phases

	LabelReceiver = "storeplatform.io/receiver" // on the Job that hands out a backup, and its pod: the store that gets it

	LabelComponent = "app.kubernetes.io/component" // "web", "database", "worker", "cache", "server", "job"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	AnnotationHost     = "storeplatform.io/host"     // on the Ingress of a domain: the host, which is too long for a label
	AnnotationRotation = "storeplatform.io/rotation" // on pods that use the database: the store's rotation that they were made after

	ReleaseName     = "store"       // of the Helm release in every store's namespace
	CredentialsName = "credentials" // Secret of generated passwords and keys
	AdminName       = "admin"       // Secret of the administrator's name and password
	SMTPName        = "smtp"        // Secret of the mail relay
	RotationName    = "rotation"    // Secret of passwords that are about to take the place of others
	ServiceAccount  = "store"

	BackupName = "backup" // CronJob of backups, which is also the template of other work on the data
)

// Values of [LabelPhase].
const (
	PhaseSetup   = "setup" // installs or migrates a shop
	PhaseBackup  = "backup"
	PhaseRestore = "restore"
	PhaseServe   = "serve" // hands a backup to another store
	PhaseFetch   = "fetch" // gets a backup of another store
	PhaseCheck   = "check" // asks the shop whether it works
	PhaseRotate  = "rotate"
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

// Pauses tells whether a component stops while data are replaced.
func Pauses(component string) bool {
	return component == componentWeb || component == componentServer || component == componentWorker || component == componentJob
}

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
