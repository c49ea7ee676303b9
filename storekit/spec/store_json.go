package spec

import (
	"bytes"
	"encoding/json"
)

// storeJSON is the recorded form of a store: its engine under the engine's name, its secrets left out.
type storeJSON struct {
	Name          string        `json:"name"`
	Owner         string        `json:"owner"`
	Plan          PlanRef       `json:"plan"`
	Host          string        `json:"host,omitempty"`
	Storage       Storage       `json:"storage"`
	Egress        Egress        `json:"egress"`
	Backup        Backup        `json:"backup,omitzero"`
	RestoreFrom   string        `json:"restore_from,omitempty"`
	Rotation      string        `json:"rotation,omitempty"`
	AllowDeletion bool          `json:"allow_deletion,omitempty"`
	Retention     DataRetention `json:"data_retention"`
	OnFailure     OnFailure     `json:"on_failure,omitempty"`
	RollbackTo    int           `json:"rollback_to,omitempty"`
	Adopt         bool          `json:"adopt,omitempty"`
	Ignore        []string      `json:"ignore,omitempty"`
	WooCommerce   *WooCommerce  `json:"woocommerce,omitempty"`
	Medusa        *Medusa       `json:"medusa,omitempty"`
	Chart         *Chart        `json:"chart,omitempty"`
}

// MarshalJSON implements [json.Marshaler]. Secrets are left out.
func (s Store) MarshalJSON() ([]byte, error) {
	out := storeJSON{
		Name: s.Name, Owner: s.Owner, Plan: s.Plan, Host: s.Host, Storage: s.Storage, Egress: s.Egress,
		Backup: s.Backup, RestoreFrom: s.RestoreFrom, Rotation: s.Rotation,
		AllowDeletion: s.AllowDeletion, Retention: s.Retention, OnFailure: s.OnFailure, RollbackTo: s.RollbackTo,
		Adopt: s.Adopt, Ignore: s.Ignore,
	}
	switch engine := s.Engine.(type) {
	case WooCommerce:
		out.WooCommerce = &engine
	case Medusa:
		out.Medusa = &engine
	case Chart:
		out.Chart = &engine
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler]. Numbers in the values of a chart are as [DecodeValues] gives them.
func (s *Store) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var in storeJSON
	if err := decoder.Decode(&in); err != nil {
		return err
	}
	*s = Store{
		Name: in.Name, Owner: in.Owner, Plan: in.Plan, Host: in.Host, Storage: in.Storage, Egress: in.Egress,
		Backup: in.Backup, RestoreFrom: in.RestoreFrom, Rotation: in.Rotation,
		AllowDeletion: in.AllowDeletion, Retention: in.Retention, OnFailure: in.OnFailure, RollbackTo: in.RollbackTo,
		Adopt: in.Adopt, Ignore: in.Ignore,
	}
	switch {
	case in.WooCommerce != nil:
		s.Engine = *in.WooCommerce
	case in.Medusa != nil:
		s.Engine = *in.Medusa
	case in.Chart != nil:
		plainNumbers(in.Chart.Values)
		s.Engine = *in.Chart
	}
	return nil
}
