// Package release is the only room that knows Helm (v3). It renders charts without a cluster and runs single Helm actions
// that never wait, never roll back by themselves and are never cancelled half-way: waiting and deciding belong to storekit.
//
// No Helm type crosses its boundary, so that Helm 4 is a change of this package alone.
package release
