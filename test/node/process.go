package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// service is a program that runs as long as the node.
type service struct {
	name string
	args []string
	log  string
	// restarts makes it come back when it ends, as systemd does. Otherwise its end is the end of the node.
	restarts restartPolicy
}

type restartPolicy int

const (
	never restartPolicy = iota
	always
)

// start runs a service until the context ends. When one ends that must not, failed is called.
func (s *service) start(ctx context.Context, failed context.CancelCauseFunc) error {
	log, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("create log of %s: %w", s.name, err)
	}
	launch := func() (*exec.Cmd, error) {
		command := exec.Command(s.args[0], s.args[1:]...)
		command.Stdout, command.Stderr = log, log
		command.Dir = filepath.Dir(s.log)
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // away from the terminal's Ctrl-C
		return command, command.Start()
	}
	command, err := launch()
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	go func() {
		for {
			err := command.Wait()
			if s.restarts == never || ctx.Err() != nil {
				failed(fmt.Errorf("%s ended (%w); its last words:\n%s", s.name, err, lastWords(s.log)))
				return
			}
			time.Sleep(time.Second)
			if command, err = launch(); err != nil {
				failed(fmt.Errorf("start %s again: %w", s.name, err))
				return
			}
		}
	}()
	return nil
}

// lastWords returns the end of a log file, enough for the reason a service ended with.
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
