package chaos

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/ledger"
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
	if err := flag.Set("test.parallel", "24"); err != nil {
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
	serial  bool // one point at a time: they disturb each other, or whatever else goes on
}

// operation is what is disturbed.
type operation struct {
	number int // from 0
	engine spec.EngineKind
	verb   verb
}

func (o operation) String() string { return string(o.engine) + "/" + string(o.verb) }

// verbs are the operations on a store, in the order of its life.
var verbs = []verb{create, update, remove}

// operations are those on stores of an engine.
func operations(engine spec.EngineKind) []operation {
	var all []operation
	for _, v := range verbs {
		all = append(all, operation{number: slices.Index(engines, engine)*len(verbs) + len(all), engine: engine, verb: v})
	}
	return all
}

var engines = []spec.EngineKind{spec.KindWooCommerce, spec.KindMedusa}

func newBench(t *testing.T, cluster *testcluster.Cluster) *bench {
	t.Helper()
	e, err := newEye(cluster)
	if err != nil {
		t.Fatalf("Look at the cluster: %v", err)
	}
	return &bench{cluster: cluster, eye: e}
}

// point is one disturbance of an operation.
type point struct {
	name string
	try  func(*trial)
}

// tryAll tries the points of every operation. Making a store and deleting it is most of the work, so each store is disturbed in its
// create, in its update and in its delete.
func (b *bench) tryAll(t *testing.T, points func(operation, reference) []point) {
	t.Helper()
	for _, engine := range engines {
		t.Run(string(engine), func(t *testing.T) {
			b.parallel(t)
			want := b.undisturbed(t, engine)
			queues, longest := make(map[verb][]point), 0
			for _, o := range operations(engine) {
				queues[o.verb] = points(o, want[o.verb])
				longest = max(longest, len(queues[o.verb]))
			}
			for i := range longest {
				t.Run(fmt.Sprintf("store-%03d", i+1), func(t *testing.T) {
					b.parallel(t)
					l := &life{bench: b, T: t, engine: engine}
					for _, v := range verbs {
						if i < len(queues[v]) {
							t.Run(string(v)+"-"+queues[v][i].name, func(t *testing.T) { queues[v][i].try(l.trial(t, v, want[v])) })
						}
					}
					l.end()
				})
			}
		})
	}
}

func (b *bench) parallel(t *testing.T) {
	t.Helper()
	if !b.serial {
		t.Parallel()
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

// life is that of a store.
type life struct {
	*bench
	*testing.T
	engine  spec.EngineKind
	subject subject
	last    verb // what was done to the store and went well; empty when there is none, or it is in doubt
}

// trial begins a point. Where there is no store that the operation can start from, it makes one.
func (l *life) trial(t *testing.T, v verb, want reference) *trial {
	t.Helper()
	tr := &trial{bench: l.bench, T: t, life: l, verb: v, want: want}
	tr.slot.take()
	t.Cleanup(tr.slot.giveBack)
	tr.began = time.Now()
	if v == remove && l.last == update { // a delete has a write for each revision, and an interruption may have left one more
		tr.subject = l.subject
		if tr.glance().revision != want.revision {
			tr.calmly(remove)
			l.last = ""
		}
	}
	if l.last == "" {
		l.subject = subject{Fleet: l.cluster.Fleet(l.T), Engine: l.engine}
	}
	tr.subject = l.subject
	for _, earlier := range verbs[slices.Index(verbs, l.last)+1 : slices.Index(verbs, v)] {
		tr.calmly(earlier)
	}
	l.last = ""
	return tr
}

// end deletes the store if it is still there.
func (l *life) end() {
	l.Helper()
	if l.last != "" && l.last != remove {
		tr := &trial{bench: l.bench, T: l.T, subject: l.subject}
		tr.slot.take()
		defer tr.slot.giveBack()
		tr.calmly(remove)
		tr.gone()
	}
}

// trial is one operation on a store and what happens to it.
type trial struct {
	*bench
	*testing.T
	life    *life
	subject subject
	verb    verb
	want    reference
	slot    slot
	began   time.Time
}

// calmly does what nothing disturbs.
func (tr *trial) calmly(v verb) {
	tr.Helper()
	tr.must(string(v)+" the store", tr.subject.operate(tr.Context(), tr.cluster.RESTConfig, v, func(storekit.Event) {}))
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
	verdict := "FAILED"
	if !tr.Failed() {
		verdict = "ok"
		tr.life.last = tr.verb
	}
	fmt.Printf("%4d %-6s %s: %s (%.1fs)\n", tried.Add(1), verdict, tr.Name(), fmt.Sprintf(format, args...), time.Since(tr.began).Seconds())
}

// reference is what an operation sends and leaves when nobody disturbs it.
type reference struct {
	writes, leases []request
	requests       []request // of every class, reads too
	parts          map[string][]string
	revision       int // of the release, before it
}

var references sync.Map // of functions that find the references of an engine

// undisturbed finds the references of an engine, once for all tests.
func (b *bench) undisturbed(t *testing.T, engine spec.EngineKind) map[verb]reference {
	t.Helper()
	find, _ := references.LoadOrStore(engine, sync.OnceValue(func() map[verb]reference { return b.measure(t, engine) }))
	once, ok := find.(func() map[verb]reference)
	if !ok {
		t.Fatalf("%T is no reference", find)
	}
	return once()
}

func (b *bench) measure(t *testing.T, engine spec.EngineKind) map[verb]reference {
	t.Helper()
	out := make(map[verb]reference)
	l := &life{bench: b, T: t, engine: engine}
	revision := 0
	for _, v := range verbs {
		tr := l.trial(t, v, reference{revision: revision})
		w := &wire{counts: everything}
		tr.must("undisturbed "+string(v), tr.subject.operate(t.Context(), w.attach(b.cluster.RESTConfig), v, func(storekit.Event) {}))
		after := tr.look()
		r := reference{parts: after.parts(), requests: w.log(), revision: revision}
		revision = after.revision
		for _, one := range r.requests {
			switch {
			case leaseWrites(one):
				r.leases = append(r.leases, one)
			case storeWrites(one):
				r.writes = append(r.writes, one)
			}
		}
		fmt.Printf("%s of %s: %d requests, %d of them writes, beside %d writes of leases\n", v, engine, len(r.requests), len(r.writes), len(r.leases))
		out[v], l.last = r, v
		tr.slot.giveBack()
	}
	return out
}

func TestKill(t *testing.T) {
	t.Parallel()
	newBench(t, testcluster.Start(t)).tryAll(t, func(o operation, want reference) []point {
		var out []point
		for i, when := range []moment{before, after} {
			if !full() && o.number%2 != i {
				continue // a fast run takes turns
			}
			add := func(class string, j job) {
				out = append(out, point{fmt.Sprintf("%s-%s-%02d", when, class, j.N), func(tr *trial) { tr.kill(j) }})
			}
			for _, n := range o.sample(len(want.writes)) {
				add("write", job{Moment: when, N: n})
			}
			for n := range want.leases {
				if full() || o.number == 0 && n == 0 {
					add("lease", job{Leases: true, Moment: when, N: n + 1})
				}
			}
		}
		return out
	})
}

// kill tries one point: a process dies, another one finishes what it began.
func (tr *trial) kill(j job) {
	tr.Helper()
	j.Kubeconfig, j.Subject, j.Verb = tr.cluster.KubeconfigPath, tr.subject, tr.verb
	first := tr.glance()
	corpse, err := j.run(tr.Context())
	tr.must("run the victim", err)
	switch {
	case !corpse.killed && j.Leases:
		tr.Skipf("a quick victim: it sent %d heartbeats fewer than the undisturbed one", j.N-len(corpse.Sent))
	case !corpse.killed:
		tr.Fatalf("The victim outlived its %d writes:\n%s", len(corpse.Sent), corpse.said)
	}
	// What a delete writes ends with what only it writes, so that a write too many would keep those from their turn.
	if at := corpse.Sent[j.N-1]; tr.verb == remove && !j.Leases && (at.Method != tr.want.writes[j.N-1].Method || at.Kind != tr.want.writes[j.N-1].Kind) {
		tr.Errorf("the victim died at %s, that is another write than %s", at, tr.want.writes[j.N-1])
	}
	left := tr.glance()
	if lost := left.lost(first); tr.verb != remove && len(lost) > 0 {
		tr.Errorf("the victim replaced %v", lost)
	}
	tr.located(left, corpse, j)
	next := tr.announced(left, corpse.pid)
	tr.survive(left, next)
	tr.done("killed %s %s; next: %s", j.Moment, corpse.Sent[j.N-1], cmp.Or(string(next.action), "delete"))
	if tr.Failed() {
		tr.Logf("The victim said:\n%s", corpse.said)
	}
}

// located checks that the journal says which step the victim died at.
func (tr *trial) located(left *inventory, c corpse, j job) {
	tr.Helper()
	if left.record == nil || left.record.Complete() || j.Leases { // heartbeats come beside the work
		return
	}
	last := c.Sent[j.N-1]
	noted := last.Name == ledger.RecordName && j.Moment == after // perhaps as the step that it was about to begin
	if phase := left.record.Operation.Phase; phase != c.Phase && !noted {
		tr.Errorf("the journal says %q, the victim died at %q, %s %s", phase, c.Phase, j.Moment, last)
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
func (tr *trial) survive(left *inventory, next announcement) {
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
	tr.whole(left, next.action)
}

// whole checks that the store is exactly what the operation is to lead to. left is what there was of it before the latest run.
func (tr *trial) whole(left *inventory, announced storekit.Action) {
	tr.Helper()
	now := tr.look()
	if diff := gocmp.Diff(tr.want.parts, now.parts()); diff != "" {
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
