package dns

import "github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"

// Report is the outcome of a check.
type Report struct {
	// Records are those that the host needs, and those that must go.
	Records []spec.Record
	// OK tells that every visitor reaches the cluster: some required address or the required target was found, nothing else
	// was, and every name server said so. One of several addresses is enough.
	OK         bool
	Confidence Confidence
	// Findings say what is wrong with the host or its name servers, most important first. Each is also complete by itself.
	Findings []Finding
}

// Confidence says how much a report is worth.
type Confidence string

// The confidences.
const (
	ConfidenceHigh Confidence = "high" // the authoritative servers, or those that the user named, said so
	ConfidenceLow  Confidence = "low"  // a recursor said so: it may hold old values
	ConfidenceNone Confidence = "none" // nothing could be read
)

// Severity tells what a finding means for the host.
type Severity string

// The severities.
const (
	Failure Severity = "failure" // visitors or certificates are affected
	Unknown Severity = "unknown" // could not be read
	Warning Severity = "warning" // works, but is fragile
)

// Finding is one thing that a user should know.
type Finding struct {
	Code     Code
	Severity Severity
	Message  string // host, record, what was found where, and what to do
}

// Code names a kind of finding. Codes are stable.
type Code string

// The codes.
const (
	CodeNoTarget         Code = "no-target"
	CodeMissingName      Code = "missing-name"
	CodeMissingRecord    Code = "missing-record"
	CodeMissingZone      Code = "missing-zone"
	CodeWrongAddress     Code = "wrong-address"
	CodeMixedAddresses   Code = "mixed-addresses"
	CodePrivateAddress   Code = "private-address"
	CodeStrayIPv6        Code = "stray-ipv6"
	CodeStrayIPv4        Code = "stray-ipv4"
	CodeWrongCNAME       Code = "wrong-cname"
	CodeCNAMEAtApex      Code = "cname-at-apex"
	CodeCNAMEBesideOther Code = "cname-beside-other"
	CodeCNAMELoop        Code = "cname-loop"
	CodeCNAMETooLong     Code = "cname-too-long"
	CodeBrokenTarget     Code = "broken-target"
	CodeUnreadable       Code = "unreadable"
	CodeLameServer       Code = "lame-server"
	CodeDisagreement     Code = "disagreement"
	CodeRecursor         Code = "recursor"
)
