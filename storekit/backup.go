package storekit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Why a backup is made.
const (
	backupOnDemand = "demand"
	beforeUpgrade  = "upgrade"
	beforeRestore  = "restore"
	beforeRollback = "rollback"
)

// Backup copies the data of a store to its volume for backups, now. Its result has the store with all its backups.
func (f *Fleet) Backup(ctx context.Context, store string, opts ...RunOption) (*Result, error) {
	o, err := f.look(ctx, store)
	switch {
	case err != nil:
		return nil, err
	case o.namespace == nil:
		return nil, fmt.Errorf("store %q of fleet %q: %w", store, f.name, ErrNotFound)
	case !o.ours:
		return nil, f.notOwned(store, o.namespace)
	case !o.record.Complete():
		return nil, fmt.Errorf("back up store %q: its last operation did not finish: apply it first", store)
	}
	step := Step{Target: StoreTarget(store), Action: BackUp, Why: []string{"asked for"}}
	step.run = func(ctx context.Context, op *operation) error { return op.backUpNow(ctx, store, o) }
	return f.Up(ctx, &Preview{Fleet: f.name, Steps: []Step{step}, fleet: f}, opts...)
}

// backUpNow makes a backup of a store that is otherwise left alone.
func (op *operation) backUpNow(ctx context.Context, store string, o *observation) error {
	f := op.fleet
	f.touched(store)
	version, err := op.unchanged(ctx, store, o)
	if err != nil {
		return err
	}
	work := &storeWork{desired: &desired{spec: o.record.Spec}, observed: o, version: version}
	op.enter(ledger.PhaseBackup)
	if _, err := op.backUp(ctx, work, backupOnDemand); err != nil {
		return err
	}
	state, err := f.Get(ctx, store)
	if err != nil {
		return err
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	op.result.Stores[store] = state
	return nil
}

// protectData makes a backup before versions of a shop that runs change: once for all attempts, as soon as one got to the release.
func (op *operation) protectData(ctx context.Context, work *storeWork) error {
	record := work.observed.record
	if op.undoing != "" {
		return nil
	}
	if record.Before != "" && (op.changedData || !work.unreleased()) {
		op.before = record.Before
		op.changedData = op.changedData || record.Back != ""
		return nil
	}
	if record.Before != "" { // nothing may go back to it over what was sold since
		next := *record
		next.Before = ""
		if err := op.save(ctx, work, &next); err != nil {
			return err
		}
	}
	if len(work.upgrades()) == 0 {
		return nil
	}
	if err := op.reach(ctx, work, ledger.PhaseBackup); err != nil {
		return err
	}
	id, err := op.backUp(ctx, work, beforeUpgrade)
	if errors.Is(err, errNoJobs) {
		op.warn("no backup was made before the upgrade: %v. Backups begin with it", err)
		return nil
	}
	op.before = id
	return err
}

// unreleased tells whether release and data are still those of the last operation that was done: that shop has gone on selling, so that
// the backup of an operation that got no further is out of date.
func (w *storeWork) unreleased() bool {
	record, current := w.observed.record, w.observed.release
	return record.Previous != nil && record.Back == "" && record.Restored == record.Previous.RestoreFrom &&
		current != nil && current.Status == "deployed" && current.Revision == record.Release.Revision
}

// upgrades says which versions of a shop that runs are to change: "web docker.io/library/wordpress:7.0.2 -> …".
func (w *storeWork) upgrades() []string {
	record, d := w.observed.record, w.desired
	wanted := d.blueprint.Versions()
	switch {
	case record == nil || record.Release.Revision == 0 || record.Release.Digest == d.release.Digest || wanted == nil:
		return nil
	case d.revision > 0:
		return []string{fmt.Sprintf("those of revision %d come back", d.revision)}
	case record.Versions == nil:
		return []string{"those that run are not on record"}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if before := record.Versions[name]; before != "" && before != wanted[name] {
			out = append(out, fmt.Sprintf("%s %s -> %s", name, before, wanted[name]))
		}
	}
	return out
}

// versions are the images and plugins that the release has; nil when that is not known.
func (w *storeWork) versions() map[string]string {
	d := w.desired
	switch {
	case d.release.Digest == w.observed.record.Release.Digest && w.observed.record.Versions != nil:
		return w.observed.record.Versions
	case d.revision > 0:
		return nil // of a revision made long ago
	}
	return d.blueprint.Versions()
}

// backUp makes a backup and notes it in the record. It returns its id.
func (op *operation) backUp(ctx context.Context, work *storeWork, reason string) (string, error) {
	id := spec.BackupID(time.Now())
	said, err := op.runJob(ctx, work.desired, storeJob{
		name: "backup-" + id, phase: blueprint.PhaseBackup, args: []string{"backup"},
		env: []corev1.EnvVar{{Name: "BACKUP_ID", Value: id}, {Name: "BACKUP_REASON", Value: reason}, {Name: "BACKUP_PROTECT", Value: strings.Join(op.protected(work), " ")}},
	})
	if err != nil {
		return "", err
	}
	copies := parseBackups(said)
	if !slices.ContainsFunc(copies, func(b spec.BackupCopy) bool { return b.ID == id }) {
		return "", fmt.Errorf("job backup-%s of namespace %s ended well, but does not list the backup that it made", id, work.desired.spec.Namespace())
	}
	op.decide("backup %s was made: %s", id, backupReasons()[reason])
	next := *work.observed.record
	next.Backups = copies
	op.backedUp = true
	if reason == beforeUpgrade || reason == beforeRestore && (next.Before == "" || len(work.upgrades()) == 0) {
		next.Before = id // but not data of versions that the way back leads away from
	}
	return id, op.save(ctx, work, &next)
}

// protected are the backups that must outlive retention: those that this operation restores or may go back to.
func (op *operation) protected(work *storeWork) []string {
	record := work.observed.record
	_, wanted := work.desired.spec.RestoreSource()
	_, restoring := spec.Store{RestoreFrom: record.Restoring}.RestoreSource()
	var ids []string
	for _, id := range []string{wanted, op.before, record.Before, restoring} {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func backupReasons() map[string]string {
	return map[string]string{
		backupOnDemand: "it was asked for", beforeUpgrade: "versions are about to change",
		beforeRestore: "its data are about to be replaced", beforeRollback: "its data are about to go back",
	}
}

// parseBackups reads the list with which Jobs on data end, a line for each backup. Lines that are not of that form are left out.
func parseBackups(text string) []spec.BackupCopy {
	var copies []spec.BackupCopy
	for line := range strings.Lines(text) {
		var b spec.BackupCopy
		if n, err := fmt.Sscan(line, &b.ID, &b.Reason, &b.Tables, &b.Rows, &b.DatabaseBytes, &b.Files, &b.ContentBytes, &b.SHA256); n == 8 && err == nil {
			copies = append(copies, b)
		}
	}
	return copies
}

// backupRun is what a pod that was to make a backup left behind.
type backupRun struct {
	pod     string
	began   time.Time
	copies  []spec.BackupCopy // every backup that there was then; none when it failed
	failure string
}

// keepBackups keeps how a pod that was to make a backup ended, and nothing of one that still runs.
func keepBackups(live metav1.Object) (any, error) {
	pod, ok := live.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("expected a Pod, got %T", live)
	}
	run := backupRun{pod: pod.Name, began: pod.CreationTimestamp.Time}
	said, reason := "", ""
	for _, container := range pod.Status.ContainerStatuses {
		if ended := container.State.Terminated; ended != nil {
			said, reason = ended.Message, ended.Reason
		}
	}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		run.copies = parseBackups(said)
	case corev1.PodFailed: // by itself, as a container, or evicted as a pod
		run.failure = cmp.Or(strings.TrimPrefix(strings.TrimSpace(said), "error: "), pod.Status.Message, reason, pod.Status.Reason, "it does not say why")
	default:
		return nil, nil
	}
	return run, nil
}

// backups are those of a store, newest first: by the record or by the last Job that made one, whichever knows the newest.
func (o *observation) backups() []spec.BackupCopy {
	var latest []spec.BackupCopy
	if o.record != nil {
		latest = o.record.Backups
	}
	for _, run := range o.backupRuns {
		if len(run.copies) > 0 && (len(latest) == 0 || run.copies[0].ID > latest[0].ID) {
			latest = run.copies
		}
	}
	return latest
}

// backupFailure says why the latest backup failed; empty when it did not.
func (o *observation) backupFailure() string {
	var latest backupRun
	for _, run := range o.backupRuns {
		if run.began.After(latest.began) {
			latest = run
		}
	}
	if made := o.backups(); latest.failure == "" || len(made) > 0 && made[0].ID >= spec.BackupID(latest.began) {
		return ""
	}
	return fmt.Sprintf("pod %s of %s: %s", latest.pod, latest.began.UTC().Format(time.RFC3339), latest.failure)
}
