// Package storekit provisions isolated stores on Kubernetes: the library behind the Terraform provider, usable by itself.
//
// A [Program] says what should exist, a [Fleet] is the unit of ownership. [Fleet.Preview] reads and decides, and never
// writes; [Fleet.Up] does what a preview says. There is no state file: the cluster is the record.
//
// Every method takes a context and ends soon after it does. Errors are typed: see [ErrNotFound] and its siblings,
// [StepError] and [ConnectionError].
package storekit
