package storekit

import (
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// State is a store as the cluster has it.
type State struct {
	Spec       spec.Store // as recorded by the last operation, without secrets
	Fleet      string
	ClusterUID string // UID of the kube-system namespace: tells clusters apart
	Namespace  string
	UID        string // of the namespace: tells a store from a later one of the same name

	Incarnation string // as in [Store]; empty when nobody has given it one

	Complete bool         // the last operation finished; false while one runs or after one failed or was killed
	Phase    string       // last step that was begun: as in [StepError], "rollback", "uninstall" or "done"
	Failure  string       // why the last operation did not finish, or was rolled back; empty when it did what it should
	Ready    bool         // every workload is ready and nothing is missing
	Causes   []spec.Cause // why not
	URL      string       // "https://" + host; empty for a store without a host
	Release  Release
	Quota    map[string]Usage // by resource name: "limits.cpu", "limits.memory", "pods", "requests.storage", …

	// Objects has an entry for each object of the store, "Kind/name", and for its Helm release. One that is as desired shows the
	// digest of what is desired and how it came to be that, "0123456789ab: spec.replicas 1 -> 2"; see [DesiredDigest]. Any other
	// shows in words what differs from what this program would make of the recorded specification.
	Objects map[string]string
	Drift   []spec.Change // what others changed

	Backups []spec.BackupCopy // newest first
	// BackupFailure says which pod failed to make the latest backup, when and why. Empty when that was made.
	BackupFailure string

	Operations []Operation // the latest ones on record, oldest first

	Environment Environment // of the cluster as it is now
	Warnings    []string    // what could not be looked at, and why
}

// Release is the Helm release of a store.
type Release struct {
	Revision     int
	Status       string // "deployed", "failed", "pending-install", …; empty when there is none
	Chart        string // name of the chart
	ChartVersion string
	AppVersion   string
	History      []Revision // the latest ones, oldest first
}

// Revision is a revision of the Helm release of a store, see [Fleet.Rollback].
type Revision struct {
	Number       int
	Status       string // as in [Release]; "superseded" when a later one took its place
	ChartVersion string // empty when the revision does not tell, as those of other tools
	AppVersion   string // likewise
	Created      time.Time
}

// Operation is what was done to a store, as its record has it.
type Operation struct {
	Action    Action
	Phase     string // last step that was begun, as in [State]
	Holder    string // who did it: user@host/process
	Started   time.Time
	Failure   string   // why it did not finish, or was rolled back
	Decisions []string // about what an interrupted or failed operation had left
}

// Usage is how much of a quota is used.
type Usage struct {
	Used string
	Hard string
}

// PlanState is a plan as the cluster has it.
type PlanState struct {
	Plan   spec.Plan
	Stores []string // that use it
}

// DomainState is a domain as the cluster and the DNS have it.
type DomainState struct {
	Domain    spec.Domain
	Namespace string
	Ingress   string        // name of the Ingress that serves it
	URL       string        // "https://" + host
	Addresses []string      // where its records must point
	Records   []spec.Record // what the DNS needs and has
	Verified  bool          // every record is as required
	Findings  []string      // what is wrong, in words
}

// Result is what an Up or Destroy did.
type Result struct {
	Stores   map[string]*State // every store that was touched and exists; after a failure as far as it got
	Plans    map[string]*PlanState
	Domains  map[string]*DomainState
	Retained []spec.ObjectRef // volumes that outlive their deleted store
	Requests int              // API requests that were sent
	Waiting  int              // those among them that watched workloads become ready; exact when one step runs at a time
}

func newResult() *Result {
	return &Result{Stores: make(map[string]*State), Plans: make(map[string]*PlanState), Domains: make(map[string]*DomainState)}
}

// Drift is what [Fleet.Refresh] found.
type Drift struct {
	Stores map[string][]spec.Change // only stores that differ
}
