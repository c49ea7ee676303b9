package storekit

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Event is something that happened during Up or Destroy: [StepStarted], [Progress], [Warning] or [StepDone]. Events arrive
// in order, one at a time.
type Event interface{ fmt.Stringer }

// StepStarted says that a step begins.
type StepStarted struct {
	Target Target
	Action Action
}

// StepProgress says which phase a step is in and what it waits for.
type StepProgress struct {
	Target  Target
	Phase   string        // as in [StepError], and "rollback: release", "uninstall"
	Elapsed time.Duration // since the step began
	Waiting []spec.Cause  // what is not there yet
}

// Warning says that something deserves attention but stops nothing.
type Warning struct {
	Target  Target
	Message string
}

// StepDone says that a step ended.
type StepDone struct {
	Target  Target
	Action  Action
	Elapsed time.Duration
	Err     error
}

func (e StepStarted) String() string { return fmt.Sprintf("%s: %s started", e.Target, e.Action) }

func (e StepProgress) String() string {
	text := fmt.Sprintf("%s: %s, %s", e.Target, e.Phase, e.Elapsed.Round(time.Second))
	for _, cause := range e.Waiting {
		text += fmt.Sprintf("; waits for %s: %s", cause.Object, cause.Message)
	}
	return text
}

func (e Warning) String() string { return fmt.Sprintf("%s: warning: %s", e.Target, e.Message) }

func (e StepDone) String() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s failed after %s: %v", e.Target, e.Action, e.Elapsed.Round(time.Millisecond), e.Err)
	}
	return fmt.Sprintf("%s: %s done in %s", e.Target, e.Action, e.Elapsed.Round(time.Millisecond))
}

// RunOption adjusts a Preview, an Up, a Refresh, a Reconcile, a Rollback or a Destroy.
type RunOption func(*runOptions)

type runOptions struct {
	only       map[Target]bool
	noPrune    bool
	maxDeletes int
	parallel   int
	timeout    time.Duration
	stuckAfter time.Duration
	onEvent    func(Event)

	incarnation *string // of stores that may be deleted; nil = any
}

// Only limits the run to the given targets.
func Only(targets ...Target) RunOption {
	return func(o *runOptions) {
		if o.only == nil {
			o.only = make(map[Target]bool)
		}
		for _, t := range targets {
			o.only[t] = true
		}
	}
}

// OnlyIncarnation keeps stores from being deleted that have been created again since they were that incarnation, see [Store]:
// [ErrCreatedAgain]. A store that has none may be deleted.
func OnlyIncarnation(id string) RunOption { return func(o *runOptions) { o.incarnation = &id } }

// NoPrune keeps what the fleet has and the program does not.
func NoPrune() RunOption { return func(o *runOptions) { o.noPrune = true } }

// MaxDeletes allows that many deletions of stores in one run. The default is 5.
func MaxDeletes(n int) RunOption { return func(o *runOptions) { o.maxDeletes = n } }

// Parallel bounds how many steps run at once. The default is 4.
func Parallel(n int) RunOption { return func(o *runOptions) { o.parallel = n } }

// Timeout bounds each step. The default is 10 minutes.
func Timeout(d time.Duration) RunOption { return func(o *runOptions) { o.timeout = d } }

// StuckAfter bounds how long [Fleet.Reconcile] goes on with operations that do not finish. The default is 30 minutes.
func StuckAfter(d time.Duration) RunOption { return func(o *runOptions) { o.stuckAfter = d } }

// OnEvent calls fn for every event, in order, one at a time.
func OnEvent(fn func(Event)) RunOption { return func(o *runOptions) { o.onEvent = fn } }

// Progress writes every event to w, one a line. What w refuses is lost: progress never fails a run.
func Progress(w io.Writer) RunOption {
	return OnEvent(func(e Event) { _, _ = fmt.Fprintln(w, e) })
}

func newRunOptions(opts []RunOption) *runOptions {
	o := &runOptions{maxDeletes: 5, parallel: 4, timeout: 10 * time.Minute, stuckAfter: 30 * time.Minute, onEvent: func(Event) {}}
	for _, opt := range opts {
		opt(o)
	}
	var mu sync.Mutex
	fn := o.onEvent
	o.onEvent = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		fn(e)
	}
	return o
}

// means tells whether a deletion is about a store of that incarnation.
func (o *runOptions) means(incarnation string) bool {
	return o.incarnation == nil || incarnation == "" || incarnation == *o.incarnation
}

func (o *runOptions) selects(t Target) bool { return o.only == nil || o.only[t] }
