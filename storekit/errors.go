package storekit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// What a caller decides on, for [errors.Is].
var (
	ErrNotFound       = errors.New("not found")
	ErrNotOwned       = errors.New("not owned by this fleet")
	ErrNotInstalled   = errors.New("not installed yet") // the store of a domain has no record that says so
	ErrProtected      = errors.New("protected from deletion")
	ErrTooManyDeletes = errors.New("too many deletions")
	ErrHostClaimed    = errors.New("host is claimed by another store")
	ErrInUse          = errors.New("in use")
	ErrCreatedAgain   = errors.New("created again since by somebody else")
	ErrPreviewStale   = errors.New("the cluster changed since the preview")
	ErrLockLost       = errors.New("the lock of the store was lost while it was worked on")
)

// LockedError is a store on which somebody else works.
type LockedError = ledger.LockedError

// ConnectionError is a cluster that cannot be reached or refuses us: which address, why, what to do.
type ConnectionError = kube.ConnectionError

// StepError is a step that failed. Up returns them joined; use [errors.As].
type StepError struct {
	Target Target
	Phase  string       // "lock", "ownership", "guardrails", "rotate", "backup", "release", "restore", "ready", "check", "expose", "record", "delete"
	Causes []spec.Cause // why a store did not become ready
	Err    error
}

// Error implements error: the target, the phase, then a line for each cause.
func (e *StepError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %v", e.Target, e.Phase, e.Err)
	for _, cause := range e.Causes {
		fmt.Fprintf(&b, "\n  %s: %s", cause.Object, cause.Message)
		if cause.Evidence != "" {
			fmt.Fprintf(&b, " (%s)", cause.Evidence)
		}
		for line := range strings.Lines(cause.Log) {
			fmt.Fprintf(&b, "\n    | %s", strings.TrimRight(line, "\r\n"))
		}
		if cause.Fix != "" {
			fmt.Fprintf(&b, "\n    %s", cause.Fix)
		}
	}
	return b.String()
}

// Unwrap implements the errors interface.
func (e *StepError) Unwrap() error { return e.Err }

// HostClaimedError is the [ErrHostClaimed] that tells who has the host.
type HostClaimedError struct {
	Host, Fleet, Store string
	Holder             string // "store" or "domain"
}

// Error implements error.
func (e *HostClaimedError) Error() string {
	return fmt.Sprintf("%v: %s belongs to store %q of fleet %q (%s)", ErrHostClaimed, e.Host, e.Store, e.Fleet, e.Holder)
}

// Unwrap returns [ErrHostClaimed].
func (e *HostClaimedError) Unwrap() error { return ErrHostClaimed }
