package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/util/retry"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
)

// A holder renews its lease every heartbeat. One that has not been seen to do so for leaseDuration is dead. Clocks of different
// machines are never compared: who waits measures by its own how long nothing has changed.
const (
	heartbeat     = 5 * time.Second
	leaseDuration = 15 * time.Second
	// A holder that could not renew stops working well before others may think it dead.
	renewDeadline = 10 * time.Second
	// withdrawTime bounds how long a cancelled process looks after the lease that it had asked for.
	withdrawTime = 2 * time.Second
)

// LockedError is a store on which somebody else works.
type LockedError struct {
	Fleet, Store string
	Holder       string // user@host/process
	Since        time.Time
	Expires      time.Duration // how long after its last sign of life the holder counts as dead
}

// Error implements error.
func (e *LockedError) Error() string {
	return fmt.Sprintf("store %q of fleet %q is locked by %s since %s; the lock expires %s after its last sign of life",
		e.Store, e.Fleet, e.Holder, e.Since.UTC().Format(time.RFC3339), e.Expires)
}

// ErrLeaseLost is the cause of a context that ended because its operation may no longer write.
var ErrLeaseLost = errors.New("the lock was lost: it could not be renewed, or somebody took it over")

// Lease is the right to change a store: one operation at a time has it, across processes and machines.
type Lease struct {
	Fence     int    // grows with each holder
	TakenFrom string // the dead holder that it was taken over from; empty when it was free

	client coordinationclient.LeaseInterface
	held   *coordinationv1.Lease
	lost   context.CancelCauseFunc // ends the operation
	stop   context.CancelFunc      // ends the heartbeat
	done   sync.WaitGroup
}

// Acquire takes the lease of a store for a holder, whose name is unique. While somebody else has it, it waits for a sign of life:
// after one it fails with [LockedError], without one it takes the lease over. waiting is called once before such a wait. Who has
// a lease calls [Lease.Keep] at once.
func (l *Ledger) Acquire(ctx context.Context, fleet, store, holder string, waiting func(*LockedError)) (*Lease, error) {
	if err := l.ensureNamespace(ctx); err != nil {
		return nil, err
	}
	lease := &Lease{client: l.leases()}
	held, err := l.take(ctx, lease, fleet, store, holder, waiting)
	if err != nil {
		if ctx.Err() != nil {
			tail, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
			defer cancel()
			lease.withdraw(tail)
		}
		var locked *LockedError
		if errors.As(err, &locked) {
			return nil, err
		}
		return nil, fmt.Errorf("lock store %q by Lease/%s in namespace %s: %w", store, leaseName(fleet, store), blueprint.SystemNamespace, err)
	}
	lease.held, lease.Fence = held, int(*held.Spec.LeaseTransitions)
	return lease, nil
}

// Keep renews the lease until it is given up, or ctx ends. The context that it returns ends with ctx, and when the lease is lost.
func (l *Lease) Keep(ctx context.Context) context.Context {
	within, lost := context.WithCancelCause(ctx)
	beat, stop := context.WithCancel(within)
	l.lost, l.stop = lost, stop
	l.done.Go(func() { l.keep(beat) })
	return within
}

// maxTries bounds how often the lease is asked for while others take it and give it back.
const maxTries = 10

func (l *Ledger) take(ctx context.Context, lease *Lease, fleet, store, holder string, waiting func(*LockedError)) (*coordinationv1.Lease, error) {
	var err error
	for range maxTries {
		lease.held = newLease(fleet, store, holder, 1)
		var created, seen, taken *coordinationv1.Lease
		created, err = lease.client.Create(ctx, lease.held, metav1.CreateOptions{FieldManager: blueprint.FieldManager})
		if !apierrors.IsAlreadyExists(err) {
			return created, err
		}
		seen, err = lease.client.Get(ctx, lease.held.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue // it went with its store
		}
		if err != nil {
			return nil, err
		}
		if lease.TakenFrom = holderOf(seen); lease.TakenFrom != "" {
			if err := l.awaitDeath(ctx, seen, fleet, store, waiting); err != nil {
				return nil, err
			}
		}
		lease.held = newLease(fleet, store, holder, int(*seen.Spec.LeaseTransitions)+1)
		lease.held.ResourceVersion = seen.ResourceVersion
		taken, err = lease.client.Update(ctx, lease.held, metav1.UpdateOptions{FieldManager: blueprint.FieldManager})
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return taken, err
		}
		// somebody was quicker: the next round sees who it is, or that the lease is free again
	}
	return nil, err
}

// withdraw gives back a lease that was asked for by a request that was cancelled: the API server may have granted it. It expires
// where that fails.
func (l *Lease) withdraw(ctx context.Context) {
	now, err := l.client.Get(ctx, l.held.Name, metav1.GetOptions{})
	if err != nil || holderOf(now) != holderOf(l.held) || !now.Spec.AcquireTime.Truncate(time.Microsecond).Equal(l.held.Spec.AcquireTime.Truncate(time.Microsecond)) {
		return
	}
	l.held = now
	_ = l.free(ctx)
}

// free gives the lease back as it is.
func (l *Lease) free(ctx context.Context) error {
	free := l.held.DeepCopy()
	free.Spec.HolderIdentity = nil
	_, err := l.client.Update(ctx, free, metav1.UpdateOptions{FieldManager: blueprint.FieldManager})
	return err
}

// awaitDeath returns when nothing has changed about a lease for as long as it lasts, and fails with [LockedError] as soon as
// something does.
func (l *Ledger) awaitDeath(ctx context.Context, seen *coordinationv1.Lease, fleet, store string, waiting func(*LockedError)) error {
	waiting(lockedBy(fleet, store, seen))
	begun := time.Now()
	var locked error
	err := wait.PollUntilContextCancel(ctx, time.Second, false, func(ctx context.Context) (bool, error) {
		now, err := l.leases().Get(ctx, seen.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			locked = lockedBy(fleet, store, seen)
		case err != nil:
			return false, err
		case now.ResourceVersion != seen.ResourceVersion:
			locked = lockedBy(fleet, store, seen)
		}
		return locked != nil || time.Since(begun) >= leaseDuration, nil //nolint:nilerr // that a lease is gone is a sign of life
	})
	if locked != nil {
		return locked
	}
	return err
}

// keep renews the lease until its context ends, and ends it when that fails for too long.
func (l *Lease) keep(ctx context.Context) {
	renewed := time.Now()
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if time.Since(renewed) < heartbeat/2 { // the first call comes at once
			return
		}
		next := l.held.DeepCopy()
		now := metav1.NowMicro()
		next.Spec.RenewTime = &now
		attempt, cancel := context.WithDeadline(ctx, renewed.Add(renewDeadline))
		defer cancel()
		held, err := l.client.Update(attempt, next, metav1.UpdateOptions{FieldManager: blueprint.FieldManager})
		switch {
		case err == nil:
			l.held, renewed = held, time.Now()
		case apierrors.IsConflict(err), apierrors.IsNotFound(err), time.Since(renewed) > renewDeadline-heartbeat/2:
			l.lost(ErrLeaseLost)
		}
	}, heartbeat)
}

// Release gives the lease back. It is nothing to worry about when that fails: the lease expires.
func (l *Lease) Release(ctx context.Context) error {
	return l.end(ctx, func() error { return l.free(ctx) })
}

// Delete removes the lease together with the store that it belongs to.
func (l *Lease) Delete(ctx context.Context) error {
	return l.end(ctx, func() error {
		version := l.held.ResourceVersion
		return l.client.Delete(ctx, l.held.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &version}})
	})
}

// end stops the heartbeat and gives the lease up, unless somebody else has it by now. A heartbeat whose answer did not arrive may
// have changed its version.
func (l *Lease) end(ctx context.Context, giveUp func() error) error {
	l.stop()
	l.done.Wait()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		err := giveUp()
		if !apierrors.IsConflict(err) {
			return err
		}
		now, readErr := l.client.Get(ctx, l.held.Name, metav1.GetOptions{})
		if readErr != nil || *now.Spec.LeaseTransitions != *l.held.Spec.LeaseTransitions {
			return readErr
		}
		l.held = now
		return err
	})
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("give up lease %s in namespace %s: %w", l.held.Name, blueprint.SystemNamespace, err)
}

func (l *Ledger) leases() coordinationclient.LeaseInterface {
	return l.cluster.Typed.CoordinationV1().Leases(blueprint.SystemNamespace)
}

func leaseName(fleet, store string) string { return "store." + fleet + "." + store }

func newLease(fleet, store, holder string, fence int) *coordinationv1.Lease {
	now, seconds, transitions := metav1.NowMicro(), int32(leaseDuration/time.Second), int32(fence) //nolint:gosec // counts operations
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: leaseName(fleet, store), Namespace: blueprint.SystemNamespace,
			Labels: map[string]string{blueprint.LabelFleet: fleet, blueprint.LabelStore: store, blueprint.LabelRecord: "lease"},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now, LeaseTransitions: &transitions,
		},
	}
}

func holderOf(lease *coordinationv1.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func lockedBy(fleet, store string, lease *coordinationv1.Lease) *LockedError {
	e := &LockedError{Fleet: fleet, Store: store, Holder: holderOf(lease), Expires: leaseDuration}
	if lease.Spec.AcquireTime != nil {
		e.Since = lease.Spec.AcquireTime.Time
	}
	return e
}
