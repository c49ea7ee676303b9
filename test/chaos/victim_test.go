package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// jobVariable holds the job of a victim. A test binary that finds it in its environment runs no tests.
const jobVariable = "STOREPLATFORM_CHAOS_JOB"

// moment says when a process dies.
type moment string

const (
	before moment = "before" // the n-th write is sent
	after  moment = "after"  // the answer to it has come, before anybody has seen it
)

// job is what a victim does before it dies.
type job struct {
	Kubeconfig string
	Subject    subject
	Verb       verb
	Leases     bool // count writes of leases, and no others
	Moment     moment
	N          int // 0 = live
}

func (j job) class() func(request) bool {
	if j.Leases {
		return leaseWrites
	}
	return storeWrites
}

// testimony is what a victim prints before it dies, as JSON.
type testimony struct {
	Sent  []request // writes of the class
	Phase string    // the latest that it announced
}

// victim is the main function of the process that dies.
func victim(encoded string) error {
	var j job
	if err := json.Unmarshal([]byte(encoded), &j); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", j.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	w := &wire{counts: j.class(), at: j.N}
	var phase atomic.Value
	testify := func() error {
		latest, _ := phase.Load().(string)
		return json.NewEncoder(os.Stdout).Encode(testimony{w.log(), latest})
	}
	w.disturb = func(_ request, req *http.Request, send http.RoundTripper) (*http.Response, error) {
		if j.Moment == after {
			if _, err := send.RoundTrip(req); err != nil { //nolint:bodyclose // nobody lives to close it
				return nil, err
			}
		}
		if err := testify(); err != nil {
			return nil, err
		}
		return nil, errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("still alive"))
	}
	progress := func(e storekit.Event) {
		fmt.Fprintln(os.Stderr, e)
		if at, ok := e.(storekit.StepProgress); ok {
			phase.Store(at.Phase)
		}
	}
	if err := j.Subject.operate(context.Background(), w.attach(config), j.Verb, progress); err != nil {
		return err
	}
	return testify()
}

// corpse is what a victim leaves.
type corpse struct {
	testimony
	pid    int
	killed bool
	said   string
}

// run runs a job in a process of its own.
func (j job) run(ctx context.Context) (corpse, error) {
	encoded, err := json.Marshal(j)
	if err != nil {
		return corpse{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return corpse{}, err
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), jobVariable+"="+string(encoded))
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return corpse{}, err
	}
	c := corpse{pid: cmd.ProcessState.Pid(), said: said.String()}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	c.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil
	if err != nil && !c.killed {
		return c, fmt.Errorf("the victim failed by itself: %w\n%s", err, c.said)
	}
	if err := json.Unmarshal(out.Bytes(), &c.testimony); err != nil {
		return c, fmt.Errorf("read what the victim has printed: %w\n%s", err, c.said)
	}
	return c, nil
}
