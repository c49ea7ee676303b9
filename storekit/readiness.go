package storekit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// errNotReady is the reason of a wait that ran out.
var errNotReady = errors.New("did not become ready")

// errHopeless is the reason of a wait that ended early.
var errHopeless = errors.New("cannot become ready: more waiting does not help")

const (
	// reportEvery is how often a wait says what it waits for while nothing new is wrong.
	reportEvery = 5 * time.Second
	// wayBack is what is kept of a step's time for a rollback without data, on a cluster that is far away or slow.
	wayBack = 30 * time.Second
	// diagnosisTime bounds the last look at a store that did not become ready, so that an interrupted run still ends in time.
	diagnosisTime = 3 * time.Second
	// maxLogs is how many containers are quoted: replicas of one workload mostly say the same.
	maxLogs = 3
	// maxLogBytes bounds lines without end.
	maxLogBytes = 16 << 10
	// statusBytes is the least that Kubernetes cuts a container's words to in events and statuses (client-go/tools/events,
	// kubernetes/pkg/kubelet/container/runtime.go: 1024 and 2048).
	statusBytes = 1000
)

// awaitReady waits until every workload of the store is ready. What comes after the wait needs time too: in a rollback, and when the
// failed update would be rolled back.
func (op *operation) awaitReady(ctx context.Context, work *storeWork) error {
	if deadline, ok := ctx.Deadline(); ok {
		rest := time.Duration(0)
		switch record := work.observed.record; {
		case op.undoing != "":
			rest = undoTime / 2
		case op.before != "":
			rest = deadline.Sub(op.started) / 3
		case record.Previous != nil && work.desired.spec.OnFailure != spec.KeepFailed:
			rest = min(deadline.Sub(op.started)/3, wayBack)
		}
		shorter, cancel := context.WithDeadline(ctx, deadline.Add(-rest))
		defer cancel()
		ctx = shorter
	}
	err := op.await(ctx, work.desired)
	if op.undoing != "" && (errors.Is(err, errNotReady) || errors.Is(err, context.DeadlineExceeded)) {
		op.warn("the time is over: that what was there before became ready again was not waited for")
		return nil
	}
	return err
}

// await waits in the current phase until everything that the chart of a store makes is ready, and tells what it waits for.
func (op *operation) await(ctx context.Context, d *desired) error {
	before := op.fleet.client.kube.Requests()
	defer func() {
		op.mu.Lock()
		defer op.mu.Unlock()
		op.result.Waiting += op.fleet.client.kube.Requests() - before
	}()
	r := &readiness{op: op, desired: d, patience: explain.Patience{Started: op.started}, reported: make(map[string]bool)}
	err := op.fleet.client.kube.AwaitWorkloads(ctx, d.spec.Namespace(), func(w kube.Workloads) (bool, error) { return r.judge(ctx, w) })
	if err == nil {
		return nil
	}
	failed := &StepError{Target: op.target, Phase: op.phase, Causes: r.diagnosis(ctx, err), Err: err}
	var unwatched *kube.UnwatchedError
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &unwatched) {
		failed.Err = fmt.Errorf("%w in %s", errNotReady, time.Since(op.started).Round(time.Second))
	}
	return failed
}

// waiting lists the workloads of the store that are not ready or not there.
func (op *operation) waiting(w kube.Workloads, d *desired) ([]spec.Cause, error) {
	live := make(map[string]runtime.Object)
	for _, o := range w.Deployments {
		live["Deployment/"+o.Name] = o
	}
	for _, o := range w.StatefulSets {
		live["StatefulSet/"+o.Name] = o
	}
	for _, o := range w.DaemonSets {
		live["DaemonSet/"+o.Name] = o
	}
	for _, o := range w.Jobs {
		live["Job/"+o.Name] = o
	}
	var out []spec.Cause
	for key := range d.charted {
		kind, name, _ := strings.Cut(key, "/")
		if !kube.Awaited(kind) {
			continue
		}
		cause := spec.Cause{Code: "not-ready", Object: spec.ObjectRef{Kind: kind, Namespace: d.spec.Namespace(), Name: name}, Message: "is not there yet"}
		if object, ok := live[key]; ok {
			message, err := kube.Waiting(object)
			if err != nil {
				return nil, err
			}
			if message == "" {
				continue
			}
			cause.Message = message
		}
		out = append(out, cause)
	}
	slices.SortFunc(out, func(a, b spec.Cause) int { return strings.Compare(a.Object.String(), b.Object.String()) })
	return out, nil
}

// readiness is one wait for the workloads of a store: what it sees, has found and has said.
type readiness struct {
	op       *operation
	desired  *desired
	patience explain.Patience

	seen     kube.Workloads
	found    []explain.Finding
	waiting  []spec.Cause
	reported map[string]bool
	said     time.Time

	classes []*storagev1.StorageClass
	asked   time.Time // for classes
}

// judge tells whether the store is ready, and fails when it cannot become so.
func (r *readiness) judge(ctx context.Context, w kube.Workloads) (bool, error) {
	var err error
	if r.waiting, err = r.op.waiting(w, r.desired); err != nil || len(r.waiting) == 0 {
		return err == nil, err
	}
	r.seen = w
	r.seen.StorageClasses = r.storageClasses(ctx, w)
	r.find()
	if r.news() || time.Since(r.said) >= reportEvery {
		r.said = time.Now()
		r.op.enter(r.op.phase, r.causes()...)
	}
	if r.patience.Over(r.found, time.Now()) {
		return false, errHopeless
	}
	return false, nil
}

func (r *readiness) find() {
	awaited := explain.Workloads(r.seen).Of(func(key string) bool { return r.desired.charted[key] })
	r.found = explain.Causes(awaited)
}

// news tells whether something was found that was not reported yet.
func (r *readiness) news() bool {
	fresh := false
	for _, f := range r.found {
		key := f.Code + " " + f.Object.String()
		fresh = fresh || !r.reported[key]
		r.reported[key] = true
	}
	return fresh
}

func (r *readiness) causes() []spec.Cause {
	var out []spec.Cause
	for _, f := range r.found {
		out = append(out, f.Cause)
	}
	return slices.Concat(out, r.waiting)
}

// storageClasses reads the storage classes while a volume is in trouble, now and then; nil when there is no need or no right.
func (r *readiness) storageClasses(ctx context.Context, w kube.Workloads) []*storagev1.StorageClass {
	if !explain.Workloads(w).NeedsClasses() {
		return nil
	}
	if time.Since(r.asked) >= reportEvery {
		r.asked = time.Now()
		classes, err := r.op.fleet.client.kube.StorageClasses(ctx)
		if err != nil {
			return nil // the claim's own events are shown then
		}
		r.classes = classes
	}
	return r.classes
}

// diagnosis says why the wait failed. For one that somebody interrupted it asks nothing more.
func (r *readiness) diagnosis(ctx context.Context, failure error) []spec.Cause {
	namespace := r.desired.spec.Namespace()
	var unwatched *kube.UnwatchedError
	switch {
	case ctx.Err() != nil && !errors.Is(failure, context.DeadlineExceeded):
		return r.causes()
	case errors.As(failure, &unwatched):
		return []spec.Cause{explain.OfAPIError(namespace, unwatched.Last)}
	case !errors.Is(failure, context.DeadlineExceeded) && !errors.Is(failure, errHopeless):
		return r.causes()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTime)
	defer cancel()
	r.op.fleet.client.kube.Survey(ctx, namespace, &r.seen)
	r.find()
	r.quote(ctx, namespace)
	return r.causes()
}

// quote adds what the failing containers said last, redacted. Without the values of the Secrets nothing can be redacted, so
// nothing is quoted.
func (r *readiness) quote(ctx context.Context, namespace string) {
	cluster := r.op.fleet.client.kube
	if !slices.ContainsFunc(r.found, func(f explain.Finding) bool { return f.Container != "" }) {
		return
	}
	secrets, err := cluster.SecretValues(ctx, namespace)
	if err != nil {
		return
	}
	lines, bytes, logs := int64(explain.LogLines), int64(maxLogBytes), 0
	for i := range r.found {
		f := &r.found[i]
		f.Output = explain.Uncut(f.Output, statusBytes)
		if f.Container != "" && logs < maxLogs {
			logs++
			options := corev1.PodLogOptions{Container: f.Container, Previous: f.Previous, TailLines: &lines, LimitBytes: &bytes}
			// A node that is away, or has removed the container, has no log: what the container left in its status is shown then.
			if text, err := cluster.Log(ctx, namespace, f.Pod, options); err == nil && text != "" {
				f.Output = explain.Uncut(text, maxLogBytes)
			}
		}
		f.Log = explain.Tail(f.Output, secrets)
	}
}
