package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// process is one running component.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	// told is set before the process is killed: its end is no failure then.
	told atomic.Bool
	// done is closed once the process has been reaped.
	done chan struct{}
}

// exitError says that a component ended although nobody asked it to, and what it said last.
type exitError struct {
	name  string
	state string
	log   string
}

// Error names the component and quotes the end of its log.
func (e *exitError) Error() string {
	return fmt.Sprintf("%s ended: %s; its last words:\n%s", e.name, e.state, e.log)
}

// startProcess starts the program itself under a component's name. It must be called on the main goroutine: the kernel
// kills the child when the thread that started it ends (Pdeathsig), which is how nothing survives a killed testcluster.
// A process group of its own keeps the terminal's Ctrl-C from reaching the component before testcluster stops it.
// When the process ends on its own, failed is called with an *exitError.
func startProcess(dir, name string, failed context.CancelCauseFunc, flags ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	log := filepath.Join(dir, name+".log")
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create log of %s: %w", name, err)
	}
	defer out.Close() // the child has its own descriptor

	cmd := &exec.Cmd{
		Path:   self,
		Args:   append([]string{name}, flags...),
		Dir:    dir,
		Stdout: out,
		Stderr: out,
		// kwok and the Kubernetes programs look into the home directory for configuration; this one has none. A sixth of the API
		// server's time would go into collecting garbage of a heap that is small.
		Env:         append(os.Environ(), "HOME="+dir, "KUBECONFIG=", "GOGC=400"),
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		state := "exit status 0"
		if err := cmd.Wait(); err != nil {
			state = err.Error()
		}
		if !p.told.Load() {
			failed(&exitError{name: name, state: state, log: lastWords(log)})
		}
		close(p.done)
	}()
	return p, nil
}

// kill ends the process and waits until it is gone. Nothing of a test cluster is worth a graceful stop, which takes the
// API server up to a minute while clients watch.
func (p *process) kill() error {
	p.told.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// lastWords returns the end of a log file, enough for the reason a component ended with.
func lastWords(path string) string {
	const limit = 2048
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(data) > limit {
		data = data[len(data)-limit:]
	}
	return string(bytes.TrimSpace(data))
}
