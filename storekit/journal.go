package storekit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
)

// begin writes the journal before anything else of the store changes.
func (op *operation) begin(ctx context.Context, work *storeWork) error {
	record := work.observed.record
	if record == nil {
		record = &ledger.Record{Adopted: work.adopts != nil}
		if work.adopts != nil {
			for _, ref := range work.adopts.Keeps {
				record.Kept = append(record.Kept, ref.String())
			}
		} else if work.observed.lostRecord() { // nothing may treat the shop as one that never was
			last := work.observed.deployed()
			record.Release.Revision, record.Restored, record.Rotated = last.Revision, work.desired.spec.RestoreFrom, work.desired.spec.Rotation
			op.decide("the record of the store is lost, but release revision %d is there: its data are kept", last.Revision)
		}
	}
	next := *record
	if next.Key == nil {
		next.Key = make([]byte, 32)
		if _, err := rand.Read(next.Key); err != nil {
			return fmt.Errorf("generate a key: %w", err)
		}
	}
	if record.Complete() && record.Release.Revision > 0 {
		next.Previous = &record.Spec
	}
	switch {
	case op.undoing != "" && op.changedData:
		next.Back = op.before
	case op.undoing == "" && !sameSpec(record.Spec, work.desired.spec): // it goes on with what was to be undone, or with something else
		next.Back = ""
	}
	next.Spec = work.desired.spec
	next.Incarnation = cmp.Or(work.incarnation, record.Incarnation)
	if record.Operation.Fence != op.lease.Fence { // else it is this operation, which undoes itself
		next.Past = record.History()
	}
	next.Operation = op.journal(ledger.PhaseGuardrails, record.Operation)
	return op.save(ctx, work, &next)
}

// reach begins a phase and notes it in the journal first, with what was decided so far: whoever finds the operation interrupted reads
// there how far it came.
func (op *operation) reach(ctx context.Context, work *storeWork, phase string) error {
	if work.observed.record.Operation.Phase != phase && ctx.Err() == nil { // else it is for the phase to say what its time ran out for
		op.phase = ledger.PhaseRecord // what fails here says nothing about the shop
		next := *work.observed.record
		next.Operation.Phase, next.Operation.Decisions, next.Operation.Error = phase, op.decisions, op.failure
		if err := op.save(ctx, work, &next); err != nil {
			return err
		}
	}
	op.enter(phase)
	return nil
}

// journal is the entry of this operation. before is the one of the operation before it.
func (op *operation) journal(phase string, before ledger.Operation) ledger.Operation {
	entry := ledger.Operation{
		Action: string(op.action), Phase: phase, Holder: holder(), Fence: op.lease.Fence, Started: op.started.UTC(), Decisions: op.decisions,
		Error: op.failure,
	}
	switch {
	case phase == ledger.PhaseDone:
	case before.Since.IsZero():
		entry.Since = entry.Started
	default:
		entry.Since = before.Since
	}
	return entry
}

func (op *operation) save(ctx context.Context, work *storeWork, record *ledger.Record) error {
	secret, err := record.Secret(op.fleet.name, work.desired.spec.Name)
	if err != nil {
		return err
	}
	secret.SetResourceVersion(work.version) // a holder that has lost its lock without knowing must not write over the next one's journal
	saved, err := op.fleet.client.kube.Apply(ctx, secret)
	if err != nil {
		saved, err = op.settle(ctx, secret, record, err)
	}
	if err != nil {
		return err
	}
	work.observed.record, work.version = record, saved.GetResourceVersion()
	return nil
}

// settle finds out what became of a write of the record that failed. The write may have arrived all the same, or an earlier one of
// this operation whose answer was lost; one that somebody else was before is [ErrLockLost].
func (op *operation) settle(ctx context.Context, secret *unstructured.Unstructured, record *ledger.Record, failure error) (*unstructured.Unstructured, error) {
	var answered apierrors.APIStatus
	conflict := apierrors.IsConflict(failure)
	if errors.As(failure, &answered) && !conflict {
		return nil, failure
	}
	live, err := op.fleet.client.kube.Get(ctx, kube.RefOf(secret))
	if err != nil { // a cancel among others: who is to end has no time to find out
		return nil, failure
	}
	if equality.Semantic.DeepEqual(live.Object["data"], secret.Object["data"]) {
		return live, nil
	}
	now, err := ledger.DecodeRecord(live)
	switch {
	case !conflict:
		return nil, failure
	case err != nil || now.Operation.Fence != record.Operation.Fence || now.Operation.Holder != record.Operation.Holder:
		return nil, fmt.Errorf("%w: %w", ErrLockLost, failure)
	}
	secret.SetResourceVersion(live.GetResourceVersion())
	return op.fleet.client.kube.Apply(ctx, secret)
}

// recordFailure notes why and where the operation ended.
func (op *operation) recordFailure(ctx context.Context, work *storeWork, cause error) error {
	if work.observed.record == nil {
		return nil // nothing was begun
	}
	failed := *work.observed.record
	phase := op.phase
	if phase == ledger.PhaseRecord { // it is the step that could not be noted, or not that it is done
		phase = failed.Operation.Phase
	}
	failed.Operation = op.journal(phase, failed.Operation)
	failed.Operation.Error, failed.Operation.Failed = cause.Error(), op.shopFailed(cause) && !errors.Is(cause, context.Canceled)
	return op.save(ctx, work, &failed)
}
