// Package spec is the vocabulary of storeplatform: stores, plans, domains and engines as plain data, with their defaults,
// their validation and the catalogue of versions.
//
// It is pure: no clock, no network, no randomness, no Kubernetes client. Everything marshals to JSON, and secrets
// ([Secret]) never do. The zero value of an optional field is its default.
package spec
