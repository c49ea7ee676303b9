package chaos

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// fullVariable makes the tests try every point when it is "full".
const fullVariable = "STOREPLATFORM_CHAOS"

// TestMain is a victim or a rival when the environment says so.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the heap is small, and a full run takes all the time that there is
	for variable, work := range map[string]func(string) error{jobVariable: victim, rivalryVariable: rival} {
		encoded := os.Getenv(variable)
		if encoded == "" {
			continue
		}
		if err := work(encoded); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	// Many points wait at once for a dead process to be given up; how many work is up to slots.
	if err := flag.Set("test.parallel", "12"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	fmt.Printf("chaos: %d points tried\n", tried.Load())
	os.Exit(code)
}

var (
	slots = make(chan struct{}, workers()) // points that work at a time, whatever the machine
	tried atomic.Int64
)

// slot is the right of a point to work. A point that only waits gives it back meanwhile.
type slot struct{ held bool }

func (s *slot) take() {
	if !s.held {
		slots <- struct{}{}
		s.held = true
	}
}

func (s *slot) giveBack() {
	if s.held {
		<-slots
		s.held = false
	}
}

// whileLocked returns an observer of events that gives the slot back while an operation waits for a lock.
func (s *slot) whileLocked() func(storekit.Event) {
	return func(e storekit.Event) {
		progress, ok := e.(storekit.StepProgress)
		if ok && progress.Phase == "lock" {
			s.giveBack()
			return
		}
		s.take()
	}
}

// bench is what the points of a test share.
type bench struct {
	cluster *testcluster.Cluster
	eye     *eye
}

// operation is what is disturbed.
type operation struct {
	number int // from 0
	engine spec.EngineKind
	verb   verb
}

func (o operation) String() string { return string(o.engine) + "/" + string(o.verb) }

// operations are those of each engine.
func operations() []operation {
	var all []operation
	for _, engine := range []spec.EngineKind{spec.KindWooCommerce, spec.KindMedusa} {
		for _, v := range []verb{create, update, remove} {
			all = append(all, operation{number: len(all), engine: engine, verb: v})
		}
	}
	return all
}

func newBench(t *testing.T, cluster *testcluster.Cluster) *bench {
	t.Helper()
	e, err := newEye(cluster)
	if err != nil {
		t.Fatalf("Look at the cluster: %v", err)
	}
	return &bench{cluster: cluster, eye: e}
}

// forEachOperation runs a test of each operation, in parallel.
func forEachOperation(t *testing.T, test func(*testing.T, *bench, operation)) {
	t.Helper()
	t.Parallel()
	b := newBench(t, testcluster.Start(t))
	for _, o := range operations() {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			test(t, b, o)
		})
	}
}

// workers is how many points work at a time: beside other tests fewer than alone.
func workers() int {
	if full() {
		return 4
	}
	return 2
}

func full() bool { return os.Getenv(fullVariable) == "full" }

// sample chooses points from 1 to total: all, or the one that a fast run has time for, which is further into each operation
// than it was into the one before.
func (o operation) sample(total int) []int {
	if !full() {
		return []int{max(1, total*(o.number+1)/6)}
	}
	points := make([]int, total)
	for i := range points {
		points[i] = i + 1
	}
	return points
}

// trial is one store and what happens to it.
type trial struct {
	*bench
	*testing.T
	subject subject
	verb    verb
	slot    slot
	began   time.Time
}

// newTrial makes the store that the operation starts from.
func (b *bench) newTrial(t *testing.T, o operation) *trial {
	t.Helper()
	tr := &trial{bench: b, T: t, verb: o.verb, subject: subject{Fleet: b.cluster.Fleet(t), Engine: o.engine}}
	tr.slot.take()
	t.Cleanup(tr.slot.giveBack)
	tr.began = time.Now()
	if o.verb != create {
		tr.must("make the store", tr.subject.operate(t.Context(), b.cluster.RESTConfig, create, func(storekit.Event) {}))
	}
	return tr
}

func (tr *trial) must(what string, err error) {
	tr.Helper()
	if err != nil {
		tr.Fatalf("%s: %v", what, err)
	}
}

func (tr *trial) look() *inventory {
	tr.Helper()
	i, err := tr.eye.look(tr.Context(), tr.subject)
	tr.must("look at the store", err)
	return i
}

func (tr *trial) glance() *inventory {
	tr.Helper()
	i, err := tr.eye.glance(tr.Context(), tr.subject)
	tr.must("look at the store", err)
	return i
}

// done says how a point went.
func (tr *trial) done(format string, args ...any) {
	verdict := "ok"
	if tr.Failed() {
		verdict = "FAILED"
	}
	fmt.Printf("%4d %-6s %s: %s (%.1fs)\n", tried.Add(1), verdict, tr.Name(), fmt.Sprintf(format, args...), time.Since(tr.began).Seconds())
}

// reference is what an operation sends and leaves when nobody disturbs it.
type reference struct {
	writes, leases []request
	requests       []request // of every class, reads too
	parts          map[string][]string
}

var references sync.Map // of functions that find a reference, by operation

// undisturbed finds the reference of an operation, once for all tests.
func (b *bench) undisturbed(t *testing.T, o operation) reference {
	t.Helper()
	find, _ := references.LoadOrStore(o, sync.OnceValue(func() reference { return b.measure(t, o) }))
	once, ok := find.(func() reference)
	if !ok {
		t.Fatalf("%T is no reference", find)
	}
	return once()
}

func (b *bench) measure(t *testing.T, o operation) reference {
	t.Helper()
	tr := b.newTrial(t, o)
	defer tr.slot.giveBack()
	w := &wire{counts: everything}
	tr.must("undisturbed "+string(o.verb), tr.subject.operate(t.Context(), w.attach(b.cluster.RESTConfig), o.verb, func(storekit.Event) {}))
	r := reference{parts: tr.look().parts(), requests: w.log()}
	for _, one := range r.requests {
		switch {
		case leaseWrites(one):
			r.leases = append(r.leases, one)
		case storeWrites(one):
			r.writes = append(r.writes, one)
		}
	}
	fmt.Printf("%s of %s: %d requests, %d of them writes, beside %d writes of leases\n", o.verb, o.engine, len(r.requests), len(r.writes), len(r.leases))
	return r
}

func TestKill(t *testing.T) {
	forEachOperation(t, func(t *testing.T, b *bench, o operation) {
		want := b.undisturbed(t, o)
		for i, when := range []moment{before, after} {
			if !full() && o.number%2 != i {
				continue // a fast run takes turns
			}
			for _, n := range o.sample(len(want.writes)) {
				t.Run(fmt.Sprintf("%s-write-%02d", when, n), func(t *testing.T) {
					t.Parallel()
					b.kill(t, o, job{Moment: when, N: n}, want)
				})
			}
			for n := range want.leases {
				if !full() && (o.number > 0 || n > 0) {
					continue
				}
				t.Run(fmt.Sprintf("%s-lease-%02d", when, n+1), func(t *testing.T) {
					t.Parallel()
					b.kill(t, o, job{Leases: true, Moment: when, N: n + 1}, want)
				})
			}
		}
	})
}

// kill tries one point: a process dies, another one finishes what it began.
func (b *bench) kill(t *testing.T, o operation, j job, want reference) {
	t.Helper()
	tr := b.newTrial(t, o)
	j.Kubeconfig, j.Subject, j.Verb = b.cluster.KubeconfigPath, tr.subject, o.verb
	first := tr.glance()
	corpse, err := j.run(t.Context())
	tr.must("run the victim", err)
	switch {
	case !corpse.killed && j.Leases:
		t.Skipf("a quick victim: it sent %d heartbeats fewer than the undisturbed one", j.N-len(corpse.sent))
	case !corpse.killed:
		t.Fatalf("The victim outlived its %d writes:\n%s", len(corpse.sent), corpse.said)
	}
	left := tr.glance()
	if lost := left.lost(first); o.verb != remove && len(lost) > 0 {
		t.Errorf("the victim replaced %v", lost)
	}
	next := tr.announced(left, corpse.pid)
	tr.survive(want, left, next)
	tr.done("killed %s %s; next: %s", j.Moment, corpse.sent[j.N-1], cmp.Or(string(next.action), "delete"))
	if t.Failed() {
		t.Logf("The victim said:\n%s", corpse.said)
	}
}

// announcement is what a new process says that it is going to do.
type announcement struct {
	action  storekit.Action // empty when it says nothing
	fleet   *storekit.Fleet
	preview *storekit.Preview
}

// announced checks what the preview after an interruption says. pid is that of the dead process, 0 for this one.
func (tr *trial) announced(left *inventory, pid int) announcement {
	tr.Helper()
	if left.namespace != "" && left.dying {
		return announcement{}
	}
	if pid == 0 {
		pid = os.Getpid()
	}
	fleet, err := tr.subject.connect(tr.cluster.RESTConfig)
	tr.must("connect", err)
	preview, err := fleet.Preview(tr.Context(), program(tr.subject.wanted(tr.verb)))
	tr.must("preview after the interruption", err)
	step := preview.Steps[0]
	said := announcement{step.Action, fleet, preview}
	if left.record == nil || left.record.Complete() {
		return said
	}
	operation := left.record.Operation
	why := strings.Join(step.Why, "; ")
	switch {
	case !strings.HasSuffix(operation.Holder, fmt.Sprintf("/%d", pid)):
		tr.Errorf("the journal names %s, the victim was process %d", operation.Holder, pid)
	case step.Action != storekit.Resume || !strings.Contains(why, operation.Phase) || !strings.Contains(why, operation.Holder):
		tr.Errorf("the preview must say that %s was interrupted at %s, and does not:\n%s", operation.Holder, operation.Phase, preview)
	}
	return said
}

// survive finishes the operation as it was announced, and checks that nothing tells of the disturbance.
func (tr *trial) survive(want reference, left *inventory, next announcement) {
	tr.Helper()
	if tr.verb == remove {
		tr.must("the next run", tr.subject.operate(tr.Context(), tr.cluster.RESTConfig, remove, tr.slot.whileLocked()))
		tr.slot.take()
		tr.gone()
		return
	}
	_, err := next.fleet.Up(tr.Context(), next.preview, unhurried(tr.slot.whileLocked())...)
	tr.must("the next run", err)
	tr.slot.take()
	tr.whole(want, left, next.action)
}

// whole checks that the store is exactly what the operation is to lead to, and that it can be deleted. left is what there was of
// it before the latest run.
func (tr *trial) whole(want reference, left *inventory, announced storekit.Action) {
	tr.Helper()
	now := tr.look()
	if diff := gocmp.Diff(want.parts, now.parts()); diff != "" {
		tr.Errorf("what is there after the next run (-undisturbed +disturbed):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"deployed"}, now.releases); diff != "" {
		tr.Errorf("releases (-want +got):\n%s", diff)
	}
	if lost := now.lost(left); len(lost) > 0 {
		tr.Errorf("the next run replaced %v", lost)
	}
	if now.revision > left.revision+1 {
		tr.Errorf("one run led from revision %d of the release to %d", left.revision, now.revision)
	}
	tr.converged(now, left, announced)
	tr.must("delete the store", tr.subject.operate(tr.Context(), tr.cluster.RESTConfig, remove, func(storekit.Event) {}))
	tr.gone()
}

// converged checks what the library says of the store.
func (tr *trial) converged(now, left *inventory, announced storekit.Action) {
	tr.Helper()
	switch operation := now.record.Operation; {
	case !now.record.Complete() || operation.Error != "":
		tr.Errorf("the record is not that of a finished operation: %+v", operation)
	case announced == storekit.Resume && operation.Action != string(storekit.Resume):
		tr.Errorf("the preview said resume, the record says %s", operation.Action)
	case announced != storekit.None && left.locked && len(operation.Decisions) == 0:
		tr.Errorf("the record does not say that the lock was taken over: %+v", operation)
	}
	fleet, err := tr.subject.connect(tr.cluster.RESTConfig, storekit.WithSharedReads())
	tr.must("connect", err)
	preview, err := fleet.Preview(tr.Context(), program(tr.subject.wanted(tr.verb)))
	tr.must("preview after the next run", err)
	if !preview.Empty() {
		tr.Errorf("there is still something to do:\n%s", preview)
	}
	state, err := fleet.Get(tr.Context(), tr.subject.name())
	tr.must("read the store", err)
	if !state.Ready || !state.Complete || len(state.Drift) > 0 || state.Release.Status != "deployed" {
		tr.Errorf("state: ready %t, complete %t, release %s, causes %v, drift %v", state.Ready, state.Complete, state.Release.Status, state.Causes, state.Drift)
	}
}

// gone checks that nothing of the store is left, in the system namespace either.
func (tr *trial) gone() {
	tr.Helper()
	// Volumes go after their claims: a controller that has missed that looks again after 15 s, on a busy machine more than once.
	err := wait.PollUntilContextTimeout(tr.Context(), 200*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		now, err := tr.eye.glance(ctx, tr.subject)
		return err == nil && len(now.volumes) == 0, err
	})
	if err != nil && !wait.Interrupted(err) {
		tr.must("look at what is left", err)
	}
	now := tr.look()
	if now.namespace != "" {
		tr.Errorf("the namespace is still there")
	}
	if diff := gocmp.Diff((&inventory{}).parts(), now.parts()); diff != "" {
		tr.Errorf("left of the deleted store (-want +got):\n%s", diff)
	}
}
