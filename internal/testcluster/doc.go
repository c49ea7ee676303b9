// Package testcluster gives tests a real Kubernetes API server with a simulated node: the program of test/cluster, started
// once per test process and gone with it. It is for tests only. It knows nothing of stores beyond the label that says which
// fleet a namespace belongs to, and imports nothing but the standard library and the Kubernetes client.
//
// A test that needs no more than one cluster and its own stores reads
//
//	cluster := testcluster.Start(t)
//	fleet := cluster.Fleet(t)
//
// Everything on the node is simulated: a ready store here is one that Kubernetes accepted, scheduled and rolled out.
package testcluster
