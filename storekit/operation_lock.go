package storekit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// farewell bounds each of the last two things that every operation does, also one whose time is over: record what became of it, and
// give back its lock. All in all that one ends within 10 seconds, and Helm's last write gets more of them than these.
const farewell = 1500 * time.Millisecond

// locked runs a step within its time. One about a store runs under the lock of that store.
func (op *operation) locked(ctx context.Context, step Step, deadline time.Time) error {
	timed, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if op.target.Kind != TargetStore {
		return step.run(timed, op)
	}
	op.phase = "lock"
	lease, err := op.fleet.client.ledger.Acquire(timed, op.fleet.name, op.target.Name, holder(), op.waitForHolder)
	if err != nil {
		return err
	}
	op.lease = lease
	if lease.TakenFrom != "" {
		op.decide("the lock was taken over from %s, who gave no sign of life", lease.TakenFrom)
	}
	within := lease.Keep(ctx)
	op.overtime = func(d time.Duration) (context.Context, context.CancelFunc) {
		if later := time.Now().Add(d); later.After(deadline) {
			return context.WithDeadline(within, later)
		}
		return context.WithDeadline(within, deadline)
	}
	timed, done := context.WithDeadline(within, deadline)
	defer done()
	err = step.run(timed, op)
	if errors.Is(context.Cause(within), ledger.ErrLeaseLost) {
		err = errors.Join(ErrLockLost, err)
	}
	// The lock is given back also after a cancel: the next operation need not wait for it to expire.
	tail, stop := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer stop()
	if op.lease == nil { // it went with the store
		return err
	}
	if failed := lease.Release(tail); failed != nil {
		op.warn("the lock could not be given back and expires by itself: %v", failed)
	}
	return err
}

// waitForHolder tells that the operation waits to see whether the holder of a lock is dead.
func (op *operation) waitForHolder(locked *LockedError) {
	op.enter(op.phase, spec.Cause{
		Code: "locked", Object: spec.ObjectRef{Kind: "Store", Name: locked.Store},
		Message: fmt.Sprintf("a sign of life of %s, who has the lock since %s", locked.Holder, locked.Since.UTC().Format(time.RFC3339)),
	})
}

// decide notes what is done about what an interrupted operation has left.
func (op *operation) decide(format string, args ...any) {
	op.decisions = append(op.decisions, fmt.Sprintf(format, args...))
	op.warn(format, args...)
}

// unchanged makes sure that nobody has worked on a store since it was observed, and returns the version of its record.
func (op *operation) unchanged(ctx context.Context, store string, o *observation) (version string, err error) {
	if o.namespace == nil || !o.ours {
		return "", nil // the API server lets one create it, or it is yet to be adopted
	}
	ref := spec.ObjectRef{APIVersion: "v1", Kind: "Secret", Namespace: spec.NamespaceOf(store), Name: ledger.RecordName}
	live, err := op.fleet.client.kube.Get(ctx, ref)
	switch {
	case apierrors.IsNotFound(err) && o.record == nil:
		return "", nil
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("%w: the record of the store is gone", ErrPreviewStale)
	case err != nil:
		return "", err
	}
	now, err := ledger.DecodeRecord(live)
	switch {
	case err != nil:
		return "", err
	case o.record == nil || !now.Operation.Same(o.record.Operation):
		return "", fmt.Errorf("%w: %s has worked on the store", ErrPreviewStale, now.Operation.Holder)
	}
	return live.GetResourceVersion(), nil
}

// holder names this process for people who read a journal.
func holder() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s/%d", name, host, os.Getpid())
}
