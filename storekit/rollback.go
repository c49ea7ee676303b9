package storekit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Rollback brings the Helm release of a store back to what a revision of it had, see [Release.History], and everything else to
// what is on record. Data is not rolled back. The store stays there until a program says otherwise: it has the revision in
// [spec.Store.RollbackTo], and an Up with another value leaves it.
func (f *Fleet) Rollback(ctx context.Context, store string, revision int, opts ...RunOption) (*Result, error) {
	return f.change(ctx, store, opts, func(s *spec.Store) { s.RollbackTo = revision })
}

// errNoRevision is a revision that cannot be rolled back to.
var errNoRevision = errors.New("no such revision")

// desire says what a store should be. One that goes back to a revision of its release has what that revision had.
func (f *Fleet) desire(ctx context.Context, s spec.Store, env *blueprint.Environment, record *ledger.Record) (*desired, error) {
	if s.RollbackTo == 0 {
		return f.client.charts.desire(ctx, f.name, s, env, record)
	}
	digest := pinDigest(s.RollbackTo)
	if record != nil && record.Release.Digest == digest { // it is there: the revision itself may be forgotten by now
		return f.lastDone(ctx, s, env, record)
	}
	d, err := unfilled(f.name, s, env)
	if err != nil {
		return nil, err
	}
	revision, err := f.client.helm.Revision(ctx, d.request.Namespace, d.request.Name, s.RollbackTo)
	switch {
	case errors.Is(err, release.ErrNotFound):
		return nil, noRevision(s, "is not in the history of the release")
	case err != nil:
		return nil, err
	case !revision.Deployed():
		return nil, noRevision(s, "was never deployed: it is "+revision.Status)
	}
	d.release = ledger.Release{Digest: digest, Chart: revision.Chart, Version: revision.ChartVersion, AppVersion: revision.AppVersion}
	d.revision = s.RollbackTo
	d.fetch = func() ([]*unstructured.Unstructured, error) { return revision.Objects, nil }
	if err := d.render(); err != nil {
		return nil, err
	}
	return d, d.addBlueprint()
}

func noRevision(s spec.Store, why string) error {
	return errors.Join(errNoRevision, spec.FieldErrors{{
		Path: "rollback_to", Value: strconv.Itoa(s.RollbackTo), Allowed: why + ". See release.history for those that can be rolled back to",
	}})
}

// pinDigest stands for what a revision was made from.
func pinDigest(revision int) string {
	sum := sha256.Sum256([]byte("revision " + strconv.Itoa(revision)))
	return hex.EncodeToString(sum[:])
}

// lastDone is a store whose release is the one that the last operation left that was done.
func (f *Fleet) lastDone(ctx context.Context, s spec.Store, env *blueprint.Environment, record *ledger.Record) (*desired, error) {
	d, err := unfilled(f.name, s, env)
	if err != nil {
		return nil, err
	}
	d.release, d.revision = record.Release, record.Release.Revision
	d.fetch = func() ([]*unstructured.Unstructured, error) {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		revision, err := f.client.helm.Revision(within, d.request.Namespace, d.request.Name, d.revision)
		if err != nil {
			return nil, err
		}
		return revision.Objects, nil
	}
	d.chartAsRecorded(record)
	return d, d.addBlueprint()
}

// fetchTime bounds the reading of a revision, which happens when one of its objects is needed.
const fetchTime = 30 * time.Second

// UndoneError is an operation that failed and was undone, as the store asks for.
type UndoneError struct {
	Undone string // "store is rolled back to what it was in revision 3"
	Err    error  // why it failed
}

// Error implements error.
func (e *UndoneError) Error() string { return fmt.Sprintf("%v\nThe %s.", e.Err, e.Undone) }

// Unwrap implements the errors interface.
func (e *UndoneError) Unwrap() error { return e.Err }

// undoTime is what undoing a failed operation may take when its own time is over.
const undoTime = 3 * time.Second

// undo does what the store asks for when its release is refused or does not become ready. It returns the cause, as
// [UndoneError] when it was undone.
func (op *operation) undo(ctx context.Context, work *storeWork, cause error) error {
	record := work.observed.record
	if record == nil || errors.Is(ctx.Err(), context.Canceled) || !op.shopFailed(cause) {
		return cause
	}
	ctx, cancel := op.overtime(undoTime)
	defer cancel()
	var undone string
	var remedy func(context.Context, *storeWork) error
	switch policy := work.desired.spec.OnFailure; {
	case policy == spec.KeepFailed:
		return cause
	case record.Release.Revision == 0 && policy == spec.UninstallFailed && !record.Adopted:
		undone, remedy = "release is uninstalled; namespace and guardrails stay", op.uninstall
	case record.Release.Revision == 0 || record.Previous == nil:
		return cause // there is nothing to go back to
	case record.Release.Digest == work.desired.release.Digest && sameSpec(*record.Previous, work.desired.spec):
		return cause // what failed is what was there before
	default:
		undone, remedy = fmt.Sprintf("store is rolled back to what it was in revision %d", record.Release.Revision), op.rollBack
	}
	if op.before != "" && !op.changedData {
		began, err := op.setUpBegan(ctx, work.desired) //nolint:contextcheck // the time of the step, with which its context ends, may be over
		if err != nil {
			return fmt.Errorf("%w\nUndoing it failed too: %w", cause, err)
		}
		op.changedData = began
	}
	op.failure = inOneLine(cause)
	op.decide("the %s failed, so the %s", op.action, undone)
	if err := remedy(ctx, work); err != nil { //nolint:contextcheck // the time of the step, with which its context ends, may be over
		return fmt.Errorf("%w\nUndoing it failed too: %w", cause, err)
	}
	return &UndoneError{Undone: undone, Err: cause}
}

// shopFailed tells whether an operation failed because of what the store should be, and not because it was interrupted, or the
// cluster was in no state to answer: then the next operation goes on.
func (op *operation) shopFailed(cause error) bool {
	switch op.phase {
	case ledger.PhaseBackup, ledger.PhaseReady, ledger.PhaseRestore, ledger.PhaseCheck:
		return errors.Is(cause, errNotReady) || errors.Is(cause, errHopeless)
	case ledger.PhaseRelease, ledger.PhaseRollback, ledger.PhaseExpose:
		var refused apierrors.APIStatus
		return errors.As(cause, &refused) && refused.Status().Code < http.StatusInternalServerError && !apierrors.IsTooManyRequests(cause)
	}
	return false
}

func sameSpec(a, b spec.Store) bool {
	changes, err := specChanges(a, b)
	return err == nil && len(changes) == 0
}

// uninstall removes the release of a store that never became ready.
func (op *operation) uninstall(ctx context.Context, work *storeWork) error {
	if err := op.reach(ctx, work, ledger.PhaseUninstall); err != nil {
		return err
	}
	err := op.fleet.client.helm.Uninstall(ctx, work.desired.request.Namespace, work.desired.request.Name)
	if errors.Is(err, release.ErrNotFound) {
		return nil
	}
	return err
}

// inOneLine is an error with the first of its causes, for the record.
func inOneLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	var step *StepError
	if errors.As(err, &step) && len(step.Causes) > 0 {
		text += fmt.Sprintf(": %s: %s", step.Causes[0].Object, step.Causes[0].Message)
	}
	return text
}

// rollBack brings a store back to what it was when it last became ready, and records that as done.
func (op *operation) rollBack(ctx context.Context, work *storeWork) error {
	op.undoing = ledger.PhaseRollback
	record := work.observed.record
	env := work.environment
	if record.Environment != nil {
		env = *record.Environment
	}
	observed, err := op.fleet.observeAgain(ctx, record.Spec.Name, record)
	if err != nil {
		return err
	}
	observed.record = record
	d, err := op.fleet.lastDone(ctx, *record.Previous, &env, record)
	if err != nil {
		return err
	}
	back := &storeWork{action: Update, undoes: work.desired, desired: d, observed: observed, environment: env, version: work.version}
	if back.drift, err = op.fleet.drift(ctx, observed, d, func() (*desired, error) { return d, nil }); err != nil {
		return err
	}
	back.drift.released = observed.release == nil || observed.release.Revision != d.revision || observed.release.Pending()
	for key := range work.desired.digests {
		if item, present := observed.items[key]; present && d.digests[key] == "" && !work.desired.charted[key] {
			back.obsolete = append(back.obsolete, item.Ref)
		}
	}
	err = op.converge(ctx, back)
	work.version, work.observed.record, work.after = back.version, back.observed.record, back.after
	return err
}
