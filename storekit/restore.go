package storekit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Restore replaces the data of a store by a backup: its id, or "store/id" of another store of the fleet. What is there is backed up
// before. See [spec.Store.RestoreFrom].
func (f *Fleet) Restore(ctx context.Context, store, from string, opts ...RunOption) (*Result, error) {
	return f.change(ctx, store, opts, func(s *spec.Store) { s.RestoreFrom = from })
}

// change applies what is on record of a store, but for a change.
func (f *Fleet) change(ctx context.Context, store string, opts []RunOption, change func(*spec.Store)) (*Result, error) {
	state, err := f.Get(ctx, store)
	if err != nil {
		return nil, err
	}
	if state.Spec.Engine == nil {
		return nil, fmt.Errorf("store %q has no record of what it should be: apply it first", store)
	}
	var program Program
	s := state.Spec
	change(&s)
	program.AddStore(s)
	opts = append([]RunOption{Only(StoreTarget(store)), NoPrune()}, opts...)
	preview, err := f.Preview(ctx, &program, opts...)
	if err != nil {
		return nil, err
	}
	return f.Up(ctx, preview, opts...)
}

// restorable checks that the backup which a store asks for exists, unless it is restored already, or is on the volume of the store itself
// since a restore that was interrupted.
func (f *Fleet) restorable(ctx context.Context, s spec.Store, o *observation) error {
	store, id := s.RestoreSource()
	if id == "" || o.lostRecord() || o.record != nil && (o.record.Restored == s.RestoreFrom || o.record.Restoring == s.RestoreFrom) {
		return nil
	}
	if store != s.Name {
		var err error
		if o, err = f.look(ctx, store); err != nil {
			return err
		}
		if o.namespace == nil || !o.ours {
			return spec.FieldErrors{{Path: "restore_from", Value: s.RestoreFrom, Allowed: fmt.Sprintf("names store %q, which this fleet does not have", store)}}
		}
	}
	ids := idsOf(o.backups())
	switch {
	case slices.Contains(ids, id):
		return nil
	case len(ids) == 0:
		ids = []string{"none"}
	}
	return spec.FieldErrors{{Path: "restore_from", Value: s.RestoreFrom, Allowed: fmt.Sprintf("is no backup of store %q. There are: %s", store, strings.Join(ids, ", "))}}
}

func idsOf(backups []spec.BackupCopy) []string {
	ids := make([]string, 0, len(backups))
	for _, b := range backups {
		ids = append(ids, b.ID)
	}
	return ids
}

// toRestore names the backup that is to take the place of the data: the one that the store asks for and has not got, else the one whose
// restore was interrupted; empty when there is none.
func (w *storeWork) toRestore() string {
	record := w.observed.record
	if wanted := w.desired.spec.RestoreFrom; wanted != "" && wanted != record.Restored {
		return wanted
	}
	return record.Restoring
}

// finishRestore finishes a restore that was interrupted, before anything else works on data that are not whole: the setup of the shop
// would take an emptied database for that of a new one. Another backup that the store asks for by now takes the place of the first.
func (op *operation) finishRestore(ctx context.Context, work *storeWork) error {
	record := work.observed.record
	if record.Restoring == "" || op.undoing != "" {
		return nil
	}
	op.before, op.changedData = record.Before, true
	if err := op.reach(ctx, work, ledger.PhaseRestore); err != nil {
		return err
	}
	op.decide("the restore of backup %s was interrupted, and the data may not be whole: backup %s is restored before anything else. "+
		"What was there before is backup %s", record.Restoring, work.toRestore(), cmp.Or(record.Before, "none"))
	err := op.restore(ctx, work, work.toRestore())
	switch {
	case errors.Is(err, errNoJobs): // the release is gone: once it is back, [operation.restoreData] goes on
		return nil
	case err != nil:
		return fmt.Errorf("finish the restore of backup %s that was interrupted: %w", record.Restoring, err)
	}
	return nil
}

// restoreData replaces the data by the backup that the store asks for. It is done once: the record says of which.
func (op *operation) restoreData(ctx context.Context, work *storeWork) error {
	if op.goesBack(work) {
		return op.takeDataBack(ctx, work)
	}
	from, record := work.toRestore(), work.observed.record
	if from == "" {
		return nil
	}
	if err := op.reach(ctx, work, ledger.PhaseRestore); err != nil {
		return err
	}
	if record.Release.Revision > 0 && record.Restoring == "" && !op.backedUp { // there is a shop with data, and they are whole
		if _, err := op.backUp(ctx, work, beforeRestore); err != nil {
			return fmt.Errorf("nothing was restored, for what is there could not be backed up: %w", err)
		}
		op.before = work.observed.record.Before
	}
	if err := op.restore(ctx, work, from); err != nil {
		return err
	}
	return op.unpause(ctx, work.desired)
}

// goesBack tells whether a store is on its way back to what it was before a failed update: in a rollback, or in an operation that
// finishes one which was interrupted before the data went back.
func (op *operation) goesBack(work *storeWork) bool {
	return op.undoing != "" || work.observed.record.Back != ""
}

// restore replaces the data by a backup of this store or of another one, and leaves the shop paused.
func (op *operation) restore(ctx context.Context, work *storeWork, from string) error {
	store, id := spec.Store{Name: work.desired.spec.Name, RestoreFrom: from}.RestoreSource()
	if store != work.desired.spec.Name && from != work.observed.record.Restoring { // else it is here already
		if err := op.fetchBackup(ctx, work, store, id); err != nil {
			return fmt.Errorf("get backup %s of store %q: %w", id, store, err)
		}
	}
	if err := op.replaceData(ctx, work, from); err != nil {
		return err
	}
	op.decide("the data are those of backup %s", from)
	return nil
}

// takeDataBack restores what there was before a failed upgrade or restore, if that got so far as to change data. What happened to the
// data since then is backed up before, unless they are not whole.
func (op *operation) takeDataBack(ctx context.Context, work *storeWork) error {
	if op.before == "" || !op.changedData {
		return nil
	}
	if err := op.reach(ctx, work, ledger.PhaseRestore); err != nil {
		return err
	}
	if work.observed.record.Restoring == "" {
		if _, err := op.backUp(ctx, work, beforeRollback); err != nil {
			return fmt.Errorf("the data were not taken back to backup %s, for what is there could not be backed up: %w", op.before, err)
		}
	}
	if err := op.replaceData(ctx, work, op.before); err != nil {
		return err
	}
	op.decide("the data are those of backup %s again", op.before)
	return op.unpause(ctx, work.desired)
}

// setUpBegan tells whether a Job of the chart that sets the shop up has begun to work: then data may be those of the new versions.
func (op *operation) setUpBegan(ctx context.Context, d *desired) (bool, error) {
	for key := range d.charted {
		kind, name, _ := strings.Cut(key, "/")
		if kind != "Job" {
			continue
		}
		pods, err := op.jobPods(ctx, d.spec.Namespace(), name)
		if err != nil {
			return false, err
		}
		for _, pod := range pods {
			for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
				if container.State.Running != nil || container.State.Terminated != nil || container.LastTerminationState.Terminated != nil {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// replaceData puts a backup that is on the volume of the store in the place of the data. Meanwhile nothing of the shop runs but its
// database. Afterwards it is to be set up anew, for the data may be of other versions.
//
// The record says what is being restored before the first row goes, and that it is restored before the shop is open again: an
// interruption leaves neither data that are not whole and pass for it, nor a restore that is done once more over new orders.
func (op *operation) replaceData(ctx context.Context, work *storeWork, from string) error {
	d := work.desired
	_, id := spec.Store{RestoreFrom: from}.RestoreSource()
	if made := work.observed.backups(); len(made) > 0 && !slices.ContainsFunc(made, func(b spec.BackupCopy) bool { return b.ID == id }) {
		return fmt.Errorf("backup %s is no longer there, and nothing was changed. There are: %s", id, strings.Join(idsOf(made), ", "))
	}
	if err := op.pause(ctx, d); err != nil {
		return err
	}
	next := *work.observed.record
	next.Restoring = from
	if op.goesBack(work) { // what was restored by the operation that failed goes again
		next.Restored = d.spec.RestoreFrom
	}
	if err := op.save(ctx, work, &next); err != nil {
		return err
	}
	op.changedData = true
	there, cancel := op.there(ctx)
	defer cancel()
	_, err := op.runJob(there, d, storeJob{
		name: "restore-" + spec.BackupID(op.started) + "-" + op.round(), phase: blueprint.PhaseRestore, args: []string{"restore"}, anywhere: true,
		env: []corev1.EnvVar{{Name: "BACKUP_ID", Value: id}},
	})
	var step *StepError
	if errors.As(err, &step) && errors.Is(err, errNotReady) {
		step.Err = fmt.Errorf("%w. A restore that is cut off begins anew: give it more time (timeouts.update, for a new store timeouts.create)", step.Err)
	}
	if err != nil {
		return err
	}
	next = *work.observed.record
	next.Restoring, next.Back = "", ""
	if from == d.spec.RestoreFrom { // and not what an earlier operation was to restore
		next.Restored = from
	}
	return op.save(ctx, work, &next)
}

// pause takes away everything of a shop but its database and its cache, and waits until that is so. It goes by what is there: that may
// be of another release than the desired one.
func (op *operation) pause(ctx context.Context, d *desired) error {
	running := metav1.ListOptions{LabelSelector: kube.Labelled(map[string]string{labelFleet: op.fleet.name})}
	namespace, client := d.spec.Namespace(), op.fleet.client.kube
	deployments, err := client.Typed.AppsV1().Deployments(namespace).List(ctx, running)
	if err != nil {
		return fmt.Errorf("list Deployments of namespace %s: %w", namespace, err)
	}
	crons, err := client.Typed.BatchV1().CronJobs(namespace).List(ctx, running)
	if err != nil {
		return fmt.Errorf("list CronJobs of namespace %s: %w", namespace, err)
	}
	stop := func(object metav1.Object, apiVersion, kind, field string, value any) error {
		if !blueprint.Pauses(object.GetLabels()[blueprint.LabelComponent]) {
			return nil
		}
		ref := spec.ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: namespace, Name: object.GetName()}
		return client.Patch(ctx, ref, map[string]any{"spec": map[string]any{field: value}})
	}
	for i := range deployments.Items {
		if err := stop(&deployments.Items[i], "apps/v1", "Deployment", "replicas", 0); err != nil {
			return err
		}
	}
	for i := range crons.Items {
		if err := stop(&crons.Items[i], "batch/v1", "CronJob", "suspend", true); err != nil {
			return err
		}
	}
	jobs, err := op.jobs(ctx, namespace)
	if err != nil {
		return err
	}
	if err := op.deleteJobs(ctx, slices.DeleteFunc(jobs, finishedBackup)); err != nil {
		return err
	}
	return client.AwaitWorkloads(ctx, namespace, func(w kube.Workloads) (bool, error) {
		var waiting []spec.Cause
		for _, pod := range w.Pods {
			if blueprint.Pauses(pod.Labels[blueprint.LabelComponent]) && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				ref := spec.ObjectRef{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
				waiting = append(waiting, spec.Cause{Code: "stopping", Object: ref, Message: "is still running"})
			}
		}
		if len(waiting) > 0 {
			op.enter(op.phase, waiting...)
		}
		return len(waiting) == 0, nil
	})
}

// finishedBackup tells a Job whose pod says which backups there are.
func finishedBackup(job batchv1.Job) bool {
	return finished(job) && job.Labels[blueprint.LabelPhase] == blueprint.PhaseBackup
}

// unpause brings back what [operation.pause] took away, Jobs that set a shop up too.
func (op *operation) unpause(ctx context.Context, d *desired) error {
	return op.each(d, func(object *unstructured.Unstructured) error {
		path := []string{"spec", "suspend"}
		switch object.GetKind() {
		case "Deployment":
			path[1] = "replicas"
		case "CronJob":
		case "Job":
			_, err := op.fleet.client.kube.Apply(ctx, object)
			return err
		default:
			return nil
		}
		value, _, err := unstructured.NestedFieldCopy(object.Object, path...)
		if err != nil {
			return err
		}
		return op.fleet.client.kube.Patch(ctx, kube.RefOf(object), map[string]any{path[0]: map[string]any{path[1]: value}})
	})
}

// each calls f with every object of the chart that pauses, in a fixed order, with its namespace.
func (op *operation) each(d *desired, f func(*unstructured.Unstructured) error) error {
	if err := d.render(); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(d.charted)) {
		object, err := d.object(key)
		if err != nil {
			return err
		}
		if component := object.GetLabels()[blueprint.LabelComponent]; !blueprint.Pauses(component) {
			continue
		}
		object = object.DeepCopy()
		object.SetNamespace(d.spec.Namespace())
		if err := f(object); err != nil {
			return err
		}
	}
	return nil
}

// setUpAgain makes the Jobs run again that set a shop up.
func (op *operation) setUpAgain(ctx context.Context, d *desired) error {
	jobs, err := op.jobs(ctx, d.spec.Namespace())
	if err != nil {
		return err
	}
	if err := op.deleteJobs(ctx, slices.DeleteFunc(jobs, func(job batchv1.Job) bool { return !d.charted["Job/"+job.Name] })); err != nil {
		return err
	}
	return op.each(d, func(object *unstructured.Unstructured) error {
		if object.GetKind() != "Job" {
			return nil
		}
		_, err := op.fleet.client.kube.Apply(ctx, object)
		return err
	})
}

// check asks a shop that was upgraded or restored whether it works: PHP or Node.js, the database and the shop itself.
func (op *operation) check(ctx context.Context, work *storeWork) error {
	if op.before == "" || op.undoing != "" && !op.changedData {
		return nil
	}
	if err := op.reach(ctx, work, ledger.PhaseCheck); err != nil {
		return err
	}
	ctx, cancel := op.there(ctx)
	defer cancel()
	_, err := op.runJob(ctx, work.desired, storeJob{
		name: "check-" + spec.BackupID(op.started) + "-" + op.round(), phase: blueprint.PhaseCheck, args: []string{"check"},
		env: []corev1.EnvVar{{Name: "SHOP_HOST", Value: work.desired.spec.Host}},
	})
	return err
}

// there bounds what is done on the way to the desired state by the time that is not kept for the way back, see [operation.awaitReady].
func (op *operation) there(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || op.undoing != "" || op.before == "" {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-deadline.Sub(op.started)/3))
}

// round tells names of what is done on the way from those of what is done on the way back.
func (op *operation) round() string {
	if op.undoing != "" {
		return "back"
	}
	return "there"
}
