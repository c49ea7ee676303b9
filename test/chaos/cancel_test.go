package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

const (
	// promptness is how long an operation may take to return when it is cancelled or its time is up.
	promptness = 10 * time.Second
	// quiet is how long after its return an operation is watched for requests.
	quiet = 30 * time.Second
)

// interruption is how an operation is told to end: by a cancel at a request, or by running out of time.
type interruption struct {
	name    string
	counts  func(request) bool
	moment  moment
	n       int           // of the request; 0 for none
	mute    bool          // from that request on the API server answers nothing
	timeout time.Duration // 0 when the operation is cancelled
}

// TestCancel cancels operations at their requests, as Ctrl-C does, and lets some run out of time.
func TestCancel(t *testing.T) {
	var s silence
	t.Cleanup(func() { s.check(t) })
	t.Parallel()
	newBench(t, testcluster.Start(t)).tryAll(t, func(o operation, want reference) []point {
		var out []point
		for _, i := range o.interruptions(want) {
			out = append(out, point{i.name, func(tr *trial) { tr.interrupt(i, &s) }})
		}
		return out
	})
}

// interruptions are the points of an operation. A fast run takes turns.
func (o operation) interruptions(want reference) []interruption {
	var out []interruption
	add := func(name string, points []int, i interruption) {
		for _, n := range points {
			i.n, i.name = n, fmt.Sprintf("%s-%03d", name, n)
			out = append(out, i)
		}
	}
	writes := o.sample(len(want.writes))
	some := slices.DeleteFunc(slices.Clone(writes), func(n int) bool { return full() && n%5 != 1 })
	if full() || o.number%2 == 0 {
		add("before-request", o.sample(len(want.requests)), interruption{counts: everything, moment: before})
	}
	if full() || o.number%2 == 1 {
		add("after-write", writes, interruption{counts: storeWrites, moment: after})
	}
	if full() {
		add("after-lease", o.sample(len(want.leases)), interruption{counts: leaseWrites, moment: after})
	}
	if full() || o.number == 3 {
		add("mute-write", some, interruption{counts: storeWrites, moment: before, mute: true})
	}
	if full() || o.number == 4 {
		add("mute-timeout-write", some, interruption{counts: storeWrites, moment: before, mute: true, timeout: 3 * time.Second})
	}
	for _, timeout := range []time.Duration{time.Second / 4, time.Second / 2, time.Second, 2 * time.Second} {
		if full() || o.number == 0 && timeout == time.Second {
			out = append(out, interruption{name: fmt.Sprintf("timeout-%s", timeout), counts: everything, timeout: timeout})
		}
	}
	return out
}

// interrupt tries one point: an operation is told to end, and does, and the next run finishes what it began.
func (tr *trial) interrupt(i interruption, s *silence) {
	tr.Helper()
	first := tr.glance()
	line, err := i.connect(tr.cluster.RESTConfig)
	tr.must("make a connection", err)
	ctx, cancel := context.WithCancel(tr.Context())
	defer cancel()
	line.hangUp = cancel
	var failure error
	pprof.Do(ctx, pprof.Labels(trialLabel, tr.Name()), func(ctx context.Context) {
		tr.seen()
		failure = tr.subject.operate(ctx, line.config, tr.verb, line.watchClock, i.options()...)
	})
	returned := time.Now()
	s.watch(tr.Name(), line.all, returned)
	told := line.told.Load()
	switch {
	case told == nil && failure != nil:
		tr.Fatalf("the operation failed by itself: %v", failure)
	case told == nil:
		tr.Skipf("this run had fewer requests than the undisturbed one, which waited longer")
	}
	took := max(0, returned.Sub(*told)) // one that runs out of time may be quicker
	s.took(took)
	if took > promptness {
		tr.Errorf("the operation returned %s after it had been told to end, at most %s are allowed", took.Round(100*time.Millisecond), promptness)
	}
	tr.endedBy(failure, i)
	tr.ended(line)
	left := tr.glance()
	tr.tidy(first, left, i)
	tr.survive(left, tr.announced(left, 0))
	point := "anywhere"
	if at, hit := line.counted.hit(); hit {
		point = at.String()
	}
	tr.done("at %s; %s after %s", point, outcome(failure), took.Round(10*time.Millisecond))
}

// line is a connection to the API server that no other client shares.
type line struct {
	config    *rest.Config
	transport *http.Transport
	counted   *wire
	all       *wire
	hangUp    func() // cancels the operation
	timeout   time.Duration
	told      atomic.Pointer[time.Time] // when the operation was told to end; it may be yet to come
	mute      atomic.Bool
}

// connect makes a connection on which an interruption happens.
func (i interruption) connect(config *rest.Config) (*line, error) {
	security, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	l := &line{timeout: i.timeout, transport: &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}}
	l.config = rest.CopyConfig(config)
	l.config.TLSClientConfig, l.config.Transport = rest.TLSClientConfig{}, l.transport
	l.config.Wrap(l.silenced)
	l.all, l.counted = &wire{counts: everything}, &wire{counts: i.counts, at: i.n}
	l.counted.disturb = func(_ request, req *http.Request, send http.RoundTripper) (*http.Response, error) {
		if i.moment == after {
			defer l.tell()
			return send.RoundTrip(req)
		}
		l.mute.Store(i.mute)
		l.tell()
		return send.RoundTrip(req)
	}
	l.config = l.counted.attach(l.all.attach(l.config))
	return l, nil
}

// silenced lets requests hang once the API server is mute.
func (l *line) silenced(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if !l.mute.Load() {
			return next.RoundTrip(req)
		}
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
}

// tell cancels the operation, unless it is to run out of time.
func (l *line) tell() {
	if l.timeout == 0 {
		now := time.Now()
		l.told.Store(&now)
		l.hangUp()
	}
}

// watchClock notes when an operation with a timeout runs out of time.
func (l *line) watchClock(e storekit.Event) {
	if _, begins := e.(storekit.StepStarted); begins && l.timeout > 0 {
		up := time.Now().Add(l.timeout)
		l.told.Store(&up)
	}
}

func (i interruption) options() []storekit.RunOption {
	if i.timeout == 0 {
		return nil
	}
	return []storekit.RunOption{storekit.Timeout(i.timeout)}
}

// tidy checks what an operation leaves that was told to end. Without an API server it can tidy up nothing.
func (tr *trial) tidy(first, left *inventory, i interruption) {
	tr.Helper()
	if lost := left.lost(first); tr.verb != remove && len(lost) > 0 {
		tr.Errorf("the operation replaced %v", lost)
	}
	if i.mute {
		return
	}
	if slices.ContainsFunc(left.releases, func(status string) bool { return status != "deployed" }) {
		tr.Errorf("Helm was left in the middle: %v", left.releases)
	}
	if left.locked {
		tr.Errorf("the lock was not given back")
	}
}

// endedBy checks that the error of an operation says why it ended. One that was almost done may have succeeded.
func (tr *trial) endedBy(failure error, i interruption) {
	tr.Helper()
	var step *storekit.StepError
	switch {
	case failure == nil:
	case i.timeout > 0 && !errors.As(failure, &step):
		tr.Errorf("an operation that ran out of time must fail with a StepError: %v", failure)
	case i.timeout == 0 && !errors.Is(failure, context.Canceled):
		tr.Errorf("the error of a cancelled operation must be context.Canceled: %v", failure)
	}
}

// trialLabel marks the goroutines of an operation. Those that it starts inherit the mark.
const trialLabel = "trial"

// ended checks that nothing of an operation runs any more. Goroutines may take a moment to end, and connections to be idle.
func (tr *trial) ended(l *line) {
	tr.Helper()
	var running []string
	err := wait.PollUntilContextTimeout(tr.Context(), 20*time.Millisecond, 5*time.Second, true, func(context.Context) (bool, error) {
		var err error
		l.transport.CloseIdleConnections()
		running, err = goroutines(tr.Name())
		return len(running) == 0, err
	})
	if err != nil {
		tr.Errorf("goroutines outlive the operation (%v):\n%s", err, strings.Join(running, "\n\n"))
	}
}

// seen checks that the goroutine of an operation is found while it runs.
func (tr *trial) seen() {
	tr.Helper()
	if running, err := goroutines(tr.Name()); err != nil || len(running) == 0 {
		tr.Fatalf("The goroutines of an operation cannot be told from others (error %v)", err)
	}
}

// goroutines are the stacks of the goroutines of a trial.
func goroutines(trial string) ([]string, error) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil, err
	}
	mark := fmt.Sprintf("{%q:%q}", trialLabel, trial)
	var out []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, mark) {
			out = append(out, stack)
		}
	}
	return out, nil
}

// silence watches operations that have returned.
type silence struct {
	mu      sync.Mutex
	watched []watched
	last    time.Time
	longest time.Duration
}

type watched struct {
	name string
	wire *wire
	sent int // when it returned
}

func (s *silence) watch(name string, w *wire, returned time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = append(s.watched, watched{name, w, len(w.log())})
	if returned.After(s.last) {
		s.last = returned
	}
}

func (s *silence) took(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, took)
}

// check waits until the last operation has been watched for long enough, and reports those that sent anything.
func (s *silence) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	<-time.After(time.Until(s.last.Add(quiet)))
	for _, one := range s.watched {
		if late := one.wire.log()[one.sent:]; len(late) > 0 {
			t.Errorf("%s sent %d requests after it had returned, the first of them %s", one.name, len(late), late[0])
		}
	}
	fmt.Printf("chaos: %d operations were told to end, the slowest of them took %s\n", len(s.watched), s.longest.Round(10*time.Millisecond))
}
