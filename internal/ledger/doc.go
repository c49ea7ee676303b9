// Package ledger keeps records in the cluster: what a store was made from and how far its last operation got, which plans
// there are, and which store a host belongs to. The cluster is the record; there is no other.
package ledger
