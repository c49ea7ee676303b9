package kube

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Reason is why a cluster could not be used.
type Reason string

// The reasons.
const (
	Unreachable  Reason = "unreachable"  // refused, broken off, no route, no such host, timeout
	BadAddress   Reason = "address"      // no address of an API server
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

// Booting tells whether an error is what a cluster gives that still boots, so that waiting may heal it: it does not listen yet,
// breaks connections off, knows no credentials yet, or says itself that it is not ready.
func Booting(err error) bool {
	var connection *ConnectionError
	if errors.As(err, &connection) {
		return connection.Reason == Unreachable || connection.Reason == Unauthorized
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
}
