// Package dns tells whether a host name points at a cluster, and what to change when it does not.
//
// It asks the name servers that are authoritative for the host, all of them, so that nothing it says comes from a cache. It is
// the only package that imports github.com/miekg/dns. It never fails: what could not be read is reported as unknown, with the
// reason, so that a plan without a network still works.
//
// Reading ([Checker.Check], trail.go, zone.go, wire.go) and judging (verdict.go, required.go) are kept apart: the latter are
// pure.
package dns
