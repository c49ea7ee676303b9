package kube

import "fmt"

// Reason is why a cluster could not be used.
type Reason string

// The reasons.
const (
	Unreachable  Reason = "unreachable"  // refused, no route, no such host, timeout
	BadTLS       Reason = "tls"          // certificates do not match
	Unauthorized Reason = "unauthorized" // 401
	Forbidden    Reason = "forbidden"    // 403
)

// ConnectionError is a cluster that cannot be reached or refuses us.
type ConnectionError struct {
	Server string // address of the API server
	Reason Reason
	Fix    string // what to do
	Err    error
}

// Error implements error.
func (e *ConnectionError) Error() string {
	return fmt.Sprintf("cluster %s: %v. %s", e.Server, e.Err, e.Fix)
}

// Unwrap implements the errors interface.
func (e *ConnectionError) Unwrap() error { return e.Err }
