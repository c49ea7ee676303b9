package ledger

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// RecordName is the name of the Secret that holds a store's record, in the store's namespace.
const RecordName = "storeplatform-record"

const recordKey = "record"

// Phases of an operation, in order.
const (
	PhaseGuardrails = "guardrails"
	PhaseBackup     = "backup" // before an upgrade or a restore
	PhaseRelease    = "release"
	PhaseRestore    = "restore"
	PhaseReady      = "ready"
	PhaseCheck      = "check" // of an upgraded or restored shop
	PhaseExpose     = "expose"
	PhaseDone       = "done"
	PhaseDelete     = "delete"
	PhaseRollback   = "rollback"  // of an update that failed
	PhaseUninstall  = "uninstall" // of a create that failed
	PhaseRecord     = "record"    // writing the record itself: never on record
)

// Record is what a store was made from and how far its last operation got. It holds no secret.
type Record struct {
	Spec      spec.Store       `json:"spec"`
	Objects   map[string]Entry `json:"objects,omitempty"` // by "Kind/name"
	Release   Release          `json:"release"`
	Operation Operation        `json:"operation"`
	Adopted   bool             `json:"adopted,omitempty"` // the namespace was there before the store
	Kept      []string         `json:"kept,omitempty"`    // "Kind/name" of what an adopted namespace held: never deleted

	// Previous is what the store was when it last became ready, while an update of it has not: Objects, Release and Environment are
	// those of that time.
	Previous *spec.Store `json:"previous,omitempty"`

	Versions map[string]string `json:"versions,omitempty"` // images and plugins of the release when the last operation was done; nil = not known
	Backups  []spec.BackupCopy `json:"backups,omitempty"`  // that there were when the last operation looked, newest first
	Before   string            `json:"before,omitempty"`   // id of the backup made before an upgrade or a restore that is not done yet
	Restored string            `json:"restored,omitempty"` // what [spec.Store.RestoreFrom] said when that was done
	Rotated  string            `json:"rotated,omitempty"`  // what [spec.Store.Rotation] said when that was done

	// Restoring is the backup, as [spec.Store.RestoreFrom] names it, that is about to take the place of the data or has done so in
	// part: until the restore has ended well the data are not whole.
	Restoring string `json:"restoring,omitempty"`

	// Back is the backup that a rollback has not brought back yet: the data may be those of what failed.
	Back string `json:"back,omitempty"`

	Environment *blueprint.Environment `json:"environment,omitempty"` // that the objects were made for

	Incarnation string `json:"incarnation,omitempty"` // of the last who created the store, or took it over: see storekit.Store

	Past []Operation `json:"past,omitempty"` // journals of the operations before the last one, oldest first

	// Key and Given tell whether a secret that the user gives has changed, without holding it: Given has a keyed hash of each
	// value, by "Secret/name key". The key is random, so that a weak password cannot be guessed from the hash of another store.
	Key   []byte            `json:"key,omitempty"`
	Given map[string]string `json:"given,omitempty"`
}

// Entry is one object of a store.
type Entry struct {
	APIVersion string `json:"v"`
	Charted    bool   `json:"c,omitempty"` // the chart makes it
	Scaled     bool   `json:"s,omitempty"` // an autoscaler of the store decides about its replicas
	Desired    string `json:"d"`           // digest of what it should be
	Live       string `json:"l,omitempty"` // digest of what it was when the last operation was done
	Note       string `json:"n,omitempty"` // how the last operation that wanted it otherwise changed it
}

// Matches tells whether a live object with that digest is as the last operation left it.
func (e Entry) Matches(live string) bool {
	return e.Live != "" && (e.Live == live || e.Scaled && kube.SameButScaled(e.Live, live))
}

// Release is what the Helm release was made from.
type Release struct {
	Digest     string `json:"digest,omitempty"`   // of chart, values and labels
	Revision   int    `json:"revision,omitempty"` // when the last operation was done
	Chart      string `json:"chart,omitempty"`
	Version    string `json:"version,omitempty"`
	AppVersion string `json:"app_version,omitempty"`
}

// Operation is the journal of the last operation.
type Operation struct {
	Action  string    `json:"action"`
	Phase   string    `json:"phase"`
	Holder  string    `json:"holder"`          // user@host/process
	Fence   int       `json:"fence,omitempty"` // of the lease that it ran under: grows with each operation
	Started time.Time `json:"started"`
	Error   string    `json:"error,omitempty"`    // why it did not finish, or why it was rolled back
	Since   time.Time `json:"since,omitzero"`     // when the store was done last: begin of the first of the operations that did not finish
	Failed  bool      `json:"failed,omitempty"`   // because of what the store should be: it was not interrupted
	GivenUp bool      `json:"given_up,omitempty"` // nobody goes on with it unasked

	Decisions []string `json:"decisions,omitempty"` // what it decided about what an interrupted operation had left
}

// maxPast bounds what a record keeps of earlier operations.
const maxPast = 5

// History are the journals to keep once another operation begins.
func (r *Record) History() []Operation {
	past := slices.Clone(r.Past)
	if r.Operation.Action != "" {
		past = append(past, r.Operation)
	}
	return past[max(0, len(past)-maxPast):]
}

// Same tells whether two entries are of one operation at one point.
func (o Operation) Same(other Operation) bool {
	return o.Holder == other.Holder && o.Fence == other.Fence && o.Phase == other.Phase && o.Started.Equal(other.Started)
}

// Begun is when the store stopped being done.
func (o Operation) Begun() time.Time {
	if o.Since.IsZero() {
		return o.Started
	}
	return o.Since
}

// Complete tells whether the last operation finished.
func (r *Record) Complete() bool { return r != nil && r.Operation.Phase == PhaseDone }

// Secret encodes the record.
func (r *Record) Secret(fleet, store string) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record of store %s: %w", store, err)
	}
	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Secret",
		"type":       "storeplatform.io/record",
		"data":       map[string]any{recordKey: base64.StdEncoding.EncodeToString(data)},
	}}
	secret.SetName(RecordName)
	secret.SetNamespace(spec.NamespaceOf(store))
	secret.SetLabels(map[string]string{
		blueprint.LabelFleet:  fleet,
		blueprint.LabelStore:  store,
		blueprint.LabelRecord: "store",
	})
	return secret, nil
}

// ReadRecord decodes the record in a Secret.
func ReadRecord(secret *corev1.Secret) (*Record, error) {
	record := new(Record)
	if err := json.Unmarshal(secret.Data[recordKey], record); err != nil {
		return nil, fmt.Errorf("the record of the store (Secret/%s in namespace %s) cannot be decoded: %w. Restore it from a backup of the cluster. "+
			"Without one, delete it and apply again: it is written anew, with the data of the shop as they are", secret.Name, secret.Namespace, err)
	}
	return record, nil
}

// DecodeRecord is [ReadRecord] for an object that was read by itself.
func DecodeRecord(object *unstructured.Unstructured) (*Record, error) {
	secret := new(corev1.Secret)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, secret); err != nil {
		return nil, err
	}
	return ReadRecord(secret)
}
