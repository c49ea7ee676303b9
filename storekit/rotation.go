package storekit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Keys of [blueprint.CredentialsName] and [blueprint.RotationName].
const (
	databaseUser     = "database-user"
	databasePassword = "database-password"
)

// What the script of an engine does to one of the two users of its database.
const (
	admitUser  = "admit"  // lets it in, with a new password
	retireUser = "retire" // locks it out and ends its connections
)

// errUnsteady is a shop whose passwords are left as they are.
var errUnsteady = errors.New("no password was changed, for the shop is not ready: it could not be told whether it works with new ones. " +
	"Set rotation to what it was before, apply until the shop is ready, then rotate")

// rotates tells whether a store is to get new passwords and has not got them all: it ran before, and [spec.Store.Rotation] is another
// than when that was done last. On the way back from a failure passwords stay as they are.
func (op *operation) rotates(work *storeWork) bool {
	record, wanted := work.observed.record, work.desired.spec.Rotation
	return op.undoing == "" && record.Release.Revision > 0 && wanted != "" && wanted != record.Rotated
}

// rotate gives a shop the other one of its two database users, with a new password, and its administrator a new password where that
// is a generated one. What runs goes on with the user that it knows, until the release has replaced it; then [operation.retire] locks
// that user out. What is about to be is in a Secret of its own first: whoever comes after an interruption goes on with the same values.
func (op *operation) rotate(ctx context.Context, work *storeWork) error {
	if !op.rotates(work) {
		return nil
	}
	d := work.desired
	if err := op.reach(ctx, work, blueprint.PhaseRotate); err != nil {
		return err
	}
	if d.revision > 0 {
		return spec.FieldErrors{{
			Path: "rotation", Value: d.spec.Rotation, Allowed: "cannot change while rollback_to keeps the pods as they are. Take rollback_to out",
		}}
	}
	begun, err := op.rotationBegan(ctx, work)
	if err != nil {
		return err
	}
	if !begun {
		if err := op.steady(ctx, work); err != nil {
			return err
		}
	}
	current, err := op.secretData(ctx, d, blueprint.CredentialsName)
	if err != nil {
		return err
	}
	former := string(current[databaseUser])
	if err := op.fleet.applySecret(ctx, blueprint.Rotation(op.fleet.name, d.spec, otherUser(d.spec, former)), false); err != nil {
		return err
	}
	next, err := op.secretData(ctx, d, blueprint.RotationName)
	if err != nil {
		return err
	}
	if user := string(next[databaseUser]); user != former {
		if err := op.userJob(ctx, d, admitUser, user, secretVariable("DATABASE_PASSWORD", blueprint.RotationName, databasePassword)); err != nil {
			return err
		}
	}
	return op.handOut(ctx, d, next)
}

// handOut writes new passwords to the Secrets that the pods read.
func (op *operation) handOut(ctx context.Context, d *desired, next map[string][]byte) error {
	for _, secret := range d.blueprint.Secrets {
		_, generated := secret.Generated["password"]
		switch name := secret.Object.GetName(); {
		case name == blueprint.CredentialsName:
			secret.Given = map[string]spec.Secret{databaseUser: spec.Secret(next[databaseUser]), databasePassword: spec.Secret(next[databasePassword])}
		case name == blueprint.AdminName && generated:
			secret.Given = map[string]spec.Secret{"password": spec.Secret(next["password"])}
		default:
			continue
		}
		if err := op.fleet.applySecret(ctx, secret, false); err != nil {
			return err
		}
	}
	return nil
}

// rotationBegan tells whether an earlier operation began what this one is to do: this very rotation, or one that no operation has ended
// since. What one that is done has left behind goes, and what one that was rolled back did: the shop works with those passwords.
func (op *operation) rotationBegan(ctx context.Context, work *storeWork) (bool, error) {
	record := work.observed.record
	data, err := op.secretData(ctx, work.desired, blueprint.RotationName)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	of := string(data["for"])
	resumed := !record.Operation.Begun().Equal(record.Operation.Started)
	if of != record.Rotated && (of == work.desired.spec.Rotation || resumed) {
		return true, nil
	}
	return false, op.dropRotation(ctx, work.desired)
}

// steady makes sure that everything is ready that the last operation left running.
func (op *operation) steady(ctx context.Context, work *storeWork) error {
	running := &desired{spec: work.desired.spec, charted: make(map[string]bool)}
	for key, entry := range work.observed.record.Objects {
		if entry.Charted && !strings.HasPrefix(key, "Job/") {
			running.charted[key] = true
		}
	}
	var waiting []spec.Cause
	err := op.fleet.client.kube.AwaitWorkloads(ctx, running.spec.Namespace(), func(w kube.Workloads) (bool, error) {
		var err error
		waiting, err = op.waiting(w, running)
		return true, err
	})
	if err != nil || len(waiting) == 0 {
		return err
	}
	return &StepError{Target: op.target, Phase: op.phase, Causes: waiting, Err: errUnsteady}
}

// retire locks the former user of the database out, once nothing runs any more that uses it, and ends the rotation.
func (op *operation) retire(ctx context.Context, work *storeWork) error {
	if !op.rotates(work) {
		return nil
	}
	d := work.desired
	if err := op.reach(ctx, work, blueprint.PhaseRotate); err != nil {
		return err
	}
	if err := op.awaitRotated(ctx, d); err != nil {
		return err
	}
	current, err := op.secretData(ctx, d, blueprint.CredentialsName)
	if err != nil {
		return err
	}
	if err := op.userJob(ctx, d, retireUser, otherUser(d.spec, string(current[databaseUser]))); err != nil {
		return err
	}
	done := *work.observed.record
	done.Rotated = d.spec.Rotation
	if err := op.save(ctx, work, &done); err != nil { // before the Secret goes: without both the rotation would begin anew
		return err
	}
	return op.dropRotation(ctx, d)
}

// awaitRotated waits until every pod is gone that was made before the release: also those of the CronJob, and those that are ending. One
// that is held up before it has begun, such as a CronJob's with the image of a release that was rolled back, is not waited for.
func (op *operation) awaitRotated(ctx context.Context, d *desired) error {
	var waiting []spec.Cause
	err := op.fleet.client.kube.AwaitWorkloads(ctx, d.spec.Namespace(), func(w kube.Workloads) (bool, error) {
		waiting = nil
		for _, pod := range w.Pods {
			ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
			uses := blueprint.Pauses(pod.Labels[blueprint.LabelComponent]) && pod.Labels[blueprint.LabelPhase] == ""
			if ended || !uses || explain.Idle(pod) || pod.Annotations[blueprint.AnnotationRotation] == d.spec.Rotation {
				continue
			}
			ref := spec.ObjectRef{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
			waiting = append(waiting, spec.Cause{Code: "stopping", Object: ref, Message: "still works with the former password of the database"})
		}
		if len(waiting) > 0 {
			op.enter(op.phase, waiting...)
		}
		return len(waiting) == 0, nil
	})
	if err != nil {
		return &StepError{Target: op.target, Phase: op.phase, Causes: waiting, Err: err}
	}
	return nil
}

// userJob does something to a user of the database.
func (op *operation) userJob(ctx context.Context, d *desired, verb, user string, env ...corev1.EnvVar) error {
	login := secretVariable("MYSQL_PWD", blueprint.CredentialsName, "database-keeper-password")
	if d.spec.Engine.Kind() == spec.KindMedusa {
		login = secretVariable("PGPASSWORD", blueprint.CredentialsName, "postgres-password")
	}
	_, err := op.runJob(ctx, d, storeJob{
		name: verb + "-" + spec.BackupID(op.started), phase: blueprint.PhaseRotate,
		command: []string{"/bin/sh", "/etc/store/rotation.sh"}, args: []string{verb},
		env: append(env, corev1.EnvVar{Name: "DATABASE_USER", Value: user}, login),
	})
	return err
}

func secretVariable(name, secret, key string) corev1.EnvVar {
	from := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: from}}
}

// otherUser is the one of the two users of the database that is not the given one.
func otherUser(s spec.Store, user string) string {
	users := blueprint.DatabaseUsers(s.Engine.Kind())
	if user == users[0] {
		return users[1]
	}
	return users[0]
}

func (op *operation) secretData(ctx context.Context, d *desired, name string) (map[string][]byte, error) {
	secret, err := op.fleet.client.kube.Typed.CoreV1().Secrets(d.spec.Namespace()).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Secret %s of namespace %s: %w", name, d.spec.Namespace(), err)
	}
	return secret.Data, nil
}

func (op *operation) dropRotation(ctx context.Context, d *desired) error {
	ref := spec.ObjectRef{APIVersion: "v1", Kind: "Secret", Namespace: d.spec.Namespace(), Name: blueprint.RotationName}
	return op.fleet.client.kube.Delete(ctx, ref, "")
}
