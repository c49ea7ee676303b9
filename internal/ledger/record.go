package ledger

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// RecordName is the name of the Secret that holds a store's record, in the store's namespace.
const RecordName = "storeplatform-record"

const recordKey = "record"

// Phases of an operation, in order.
const (
	PhaseGuardrails = "guardrails"
	PhaseRelease    = "release"
	PhaseReady      = "ready"
	PhaseExpose     = "expose"
	PhaseDone       = "done"
	PhaseDelete     = "delete"
)

// Record is what a store was made from and how far its last operation got. It holds no secret.
type Record struct {
	Spec      spec.Store       `json:"spec"`
	Objects   map[string]Entry `json:"objects,omitempty"` // by "Kind/name"
	Release   Release          `json:"release"`
	Operation Operation        `json:"operation"`
	Adopted   bool             `json:"adopted,omitempty"` // the namespace was there before the store

	// Key and Given tell whether a secret that the user gives has changed, without holding it: Given has a keyed hash of each
	// value, by "Secret/name key". The key is random, so that a weak password cannot be guessed from the hash of another store.
	Key   []byte            `json:"key,omitempty"`
	Given map[string]string `json:"given,omitempty"`
}

// Entry is one object of a store.
type Entry struct {
	APIVersion string `json:"v"`
	Charted    bool   `json:"c,omitempty"` // the chart makes it
	Desired    string `json:"d"`           // digest of what it should be
	Live       string `json:"l,omitempty"` // digest of what it was when the last operation was done
}

// Release is what the Helm release was made from.
type Release struct {
	Digest     string `json:"digest,omitempty"` // of chart, values and labels
	Chart      string `json:"chart,omitempty"`
	Version    string `json:"version,omitempty"`
	AppVersion string `json:"app_version,omitempty"`
}

// Operation is the journal of the last operation.
type Operation struct {
	Action  string    `json:"action"`
	Phase   string    `json:"phase"`
	Holder  string    `json:"holder"` // user@host/process
	Started time.Time `json:"started"`
	Error   string    `json:"error,omitempty"` // why it did not finish
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
func ReadRecord(secret *unstructured.Unstructured) (*Record, error) {
	encoded, _, err := unstructured.NestedString(secret.Object, "data", recordKey)
	if err != nil {
		return nil, fmt.Errorf("read record %s/%s: %w", secret.GetNamespace(), secret.GetName(), err)
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("read record %s/%s: %w", secret.GetNamespace(), secret.GetName(), err)
	}
	record := new(Record)
	if err := json.Unmarshal(data, record); err != nil {
		return nil, fmt.Errorf("read record %s/%s: %w. Delete the Secret and apply again: it is written anew", secret.GetNamespace(), secret.GetName(), err)
	}
	return record, nil
}
