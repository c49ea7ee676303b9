package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// rivals is how many processes work on one store at once.
const rivals = 20

// rivalryVariable holds what a rival is to work on. A test binary that finds it in its environment runs no tests.
const rivalryVariable = "STOREPLATFORM_CHAOS_RIVALRY"

// rivalry is what a process works on beside others.
type rivalry struct {
	Kubeconfig string
	Subject    subject
	Verb       verb
}

// order is what a rival is told to do, a line each.
type order string

const (
	preview order = "preview"
	apply   order = "apply" // the latest preview
)

// report is what a rival answers, a line each.
type report struct {
	PID    int
	Action storekit.Action // of the latest preview
	Stale  bool
	Locked *storekit.LockedError
	Error  string
	Wrote  []string // what the API server accepted, but for leases
}

// worked tells whether an apply went to its end.
func (r report) worked() bool { return r.Error == "" }

// program is what a rival wants there to be.
func (r rivalry) program() *storekit.Program {
	if r.Verb == remove {
		return new(storekit.Program)
	}
	return program(r.Subject.wanted(r.Verb))
}

// rival is the main function of a process that does what it reads from its standard input.
func rival(encoded string) error {
	var r rivalry
	if err := json.Unmarshal([]byte(encoded), &r); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	var a accepted
	fleet, err := r.Subject.connect(a.attach(config))
	if err != nil {
		return err
	}
	var latest *storekit.Preview
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		var err error
		if order(orders.Text()) == preview {
			latest, err = fleet.Preview(ctx, r.program())
		} else {
			_, err = fleet.Up(ctx, latest, storekit.Timeout(stepTimeout))
		}
		cancel()
		answer := report{PID: os.Getpid(), Action: storekit.None, Stale: errors.Is(err, storekit.ErrPreviewStale), Wrote: a.take()}
		if latest != nil && len(latest.Steps) > 0 {
			answer.Action = latest.Steps[0].Action
		}
		if err != nil {
			answer.Error = err.Error()
			errors.As(err, &answer.Locked)
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// accepted collects the writes that the API server accepts, but for those of leases.
type accepted struct {
	mu     sync.Mutex
	writes []string
}

func (a *accepted) attach(config *rest.Config) *rest.Config {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			r := describe(req)
			resp, err := next.RoundTrip(req)
			if storeWrites(r) && (err != nil || resp.StatusCode < http.StatusBadRequest) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.writes = append(a.writes, r.String())
			}
			return resp, err
		})
	})
	return config
}

// take returns what was accepted since the last time.
func (a *accepted) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.writes
	a.writes = nil
	return out
}

// crowd is rivals that run.
type crowd []*member

type member struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	said    bytes.Buffer
}

// start starts rivals. They end with the test.
func (r rivalry) start(ctx context.Context) (crowd, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var c crowd
	for range rivals {
		m := &member{cmd: exec.CommandContext(ctx, self)}
		m.cmd.Env = append(os.Environ(), rivalryVariable+"="+string(encoded))
		m.cmd.Stderr = &m.said
		if m.orders, err = m.cmd.StdinPipe(); err != nil {
			return nil, err
		}
		answers, err := m.cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		m.answers = json.NewDecoder(answers)
		if err := m.cmd.Start(); err != nil {
			return nil, err
		}
		c = append(c, m)
	}
	return c, nil
}

// all gives an order to every rival, then waits for all answers.
func (c crowd) all(o order) ([]report, error) {
	for _, m := range c {
		if _, err := fmt.Fprintln(m.orders, o); err != nil {
			return nil, err
		}
	}
	out := make([]report, len(c))
	for i, m := range c {
		if err := m.answers.Decode(&out[i]); err != nil {
			return nil, fmt.Errorf("read the answer of process %d: %w", m.cmd.Process.Pid, err)
		}
	}
	return out, nil
}

// dismiss ends the rivals. One that saw a data race fails it.
func (c crowd) dismiss() error {
	var errs []error
	for _, m := range c {
		errs = append(errs, m.orders.Close())
		if err := m.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("process %d: %w\n%s", m.cmd.Process.Pid, err, m.said.String()))
		}
	}
	return errors.Join(errs...)
}

// TestConcurrent lets many processes work on one store. It has the machine to itself: beside them, nothing else is in time.
func TestConcurrent(t *testing.T) {
	b := newBench(t, testcluster.Start(t))
	b.serial = true
	b.tryAll(t, func(o operation, _ reference) []point {
		if !full() && o.number%4 != 0 {
			return nil
		}
		return []point{{fmt.Sprintf("%d-processes", rivals), func(tr *trial) { tr.compete() }}}
	})
}

// compete lets many processes do one thing to one store.
func (tr *trial) compete() {
	tr.Helper()
	first := tr.glance()
	c, err := rivalry{tr.cluster.KubeconfigPath, tr.subject, tr.verb}.start(tr.Context())
	tr.must("start the rivals", err)
	ask := func(o order) []report {
		tr.Helper()
		reports, err := c.all(o)
		tr.must(string(o), err)
		return reports
	}
	for _, r := range ask(preview) {
		if r.Error != "" || r.Action != storekit.Action(tr.verb) {
			tr.Fatalf("preview of process %d: %q (%s)", r.PID, r.Action, r.Error)
		}
	}
	began := time.Now()
	worked, locked, stale := tr.judge(ask(apply), began)
	if tr.verb != remove && worked != 1 {
		tr.Errorf("%d of %d processes applied the store, want one", worked, rivals)
	}
	if worked == 0 {
		tr.Errorf("nobody has done it")
	}
	// Once more with the old previews: there is nothing that they may still do.
	again, lockedAgain, staleAgain := tr.judge(ask(apply), began)
	if tr.verb != remove && again != 0 {
		tr.Errorf("%d processes applied a preview of a store that was made meanwhile", again)
	}
	for _, r := range ask(preview) {
		if r.Error != "" || r.Action != storekit.None {
			tr.Errorf("process %d still sees something to do: %s (%s)", r.PID, r.Action, r.Error)
		}
	}
	if err := c.dismiss(); err != nil {
		tr.Error(err)
	}
	if tr.verb == remove {
		tr.gone()
	} else {
		now := tr.look()
		if now.revision != first.revision+1 {
			tr.Errorf("the rivals led from revision %d of the release to %d", first.revision, now.revision)
		}
		if lost := now.lost(first); len(lost) > 0 {
			tr.Errorf("the rivals replaced %v", lost)
		}
		if now.locked {
			tr.Errorf("the lock was not given back")
		}
		tr.whole(now, storekit.None)
	}
	tr.done("%d processes: %d worked, %d saw the lock, %d a stale preview; once more: %d, %d, %d", rivals, worked, locked, stale, again, lockedAgain, staleAgain)
}

// judge counts how the applies of a crowd ended, and checks that each of them worked, or said why not and wrote nothing.
func (tr *trial) judge(reports []report, began time.Time) (worked, locked, stale int) {
	tr.Helper()
	for _, r := range reports {
		switch {
		case r.worked():
			worked++
			continue
		case r.Locked != nil:
			locked++
			tr.named(r, reports, began)
		case r.Stale:
			stale++
		default:
			tr.Errorf("process %d failed with something else: %s", r.PID, r.Error)
		}
		if len(r.Wrote) > 0 {
			tr.Errorf("process %d did not work on the store, yet wrote %v (%s)", r.PID, r.Wrote, r.Error)
		}
	}
	return worked, locked, stale
}

// named checks that the error of a rival says who has the lock since when.
func (tr *trial) named(r report, all []report, began time.Time) {
	tr.Helper()
	l := r.Locked
	one := slices.ContainsFunc(all, func(other report) bool {
		return other.PID != r.PID && strings.HasSuffix(l.Holder, fmt.Sprintf("/%d", other.PID))
	})
	// The time of a lease is that of this machine, in microseconds.
	if !one || l.Since.Before(began.Truncate(time.Microsecond)) || l.Since.After(time.Now()) || l.Expires <= 0 || l.Store != tr.subject.name() || l.Fleet != tr.subject.Fleet {
		tr.Errorf("process %d does not say which of the others has the lock since when: %+v", r.PID, *l)
	}
}
