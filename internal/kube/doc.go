// Package kube reads and writes Kubernetes objects: clients, server-side apply, snapshots, field ownership, waiting. It
// knows nothing of stores.
package kube
