package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// What tells the command where it is.
const (
	kubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG"
	dnsVariable        = "STOREPLATFORM_TEST_DNS"
	// nodeVariable is set where containers run: the directory of the node's state.
	nodeVariable = "STOREPLATFORM_TEST_NODE"
)

// runInside starts the node in the namespaces and runs the command beside it.
func runInside(args []string) error {
	var t task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return fmt.Errorf("decode task: %w", err)
	}
	// What programs leave behind goes with the node.
	temporary := filepath.Join(t.State, "tmp")
	if err := errors.Join(os.Mkdir(temporary, 0o700), os.Setenv("TMPDIR", temporary)); err != nil {
		return fmt.Errorf("create directory of temporary files: %w", err)
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &progress{out: os.Stderr, started: t.Started}

	n, err := startNode(interrupted, p, t)
	if err != nil {
		return n.explain(err)
	}
	p.say("the node is ready; running %s", filepath.Base(t.Command[0]))
	command := exec.CommandContext(n.ctx, t.Command[0], t.Command[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), kubeconfigVariable+"="+n.plane.Kubeconfig, dnsVariable+"="+n.plane.DNS, nodeVariable+"="+t.State)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopTimeout - 30*time.Second
	begun := time.Now()
	err = command.Run()
	p.say("%s took %.1f s", filepath.Base(t.Command[0]), time.Since(begun).Seconds())
	if cause := context.Cause(n.ctx); cause != nil && interrupted.Err() == nil {
		return errors.Join(err, cause)
	}
	return endOf(err)
}
