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
	"strconv"
	"syscall"
	"time"
)

// The program's commands for itself: it starts itself once as the first process of the namespaces and once inside them.
const (
	initCommand   = "namespace-init"
	insideCommand = "namespace-inside"
)

// stopTimeout is how long the inside may take to end its command before it is killed.
const stopTimeout = 90 * time.Second

// task is what the outside tells the inside.
type task struct {
	// Programs is the directory of the built programs.
	Programs string
	// Images is the archive of all images.
	Images string
	// State is the directory of everything that the node writes. It goes with the node.
	State string
	// Cgroup is the name of the control group of all pods.
	Cgroup string
	// Command is run beside the node.
	Command []string
	// Started is when the run began.
	Started time.Time
}

// run prepares everything that needs the machine's network, runs the command in namespaces with a node, and cleans up.
func run(args []string) (err error) {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	if err := checkMachine(o.required); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &progress{out: os.Stderr, started: time.Now()}

	t := task{Command: o.command, Started: p.started, Cgroup: cgroupName(os.Getpid())}
	if t.Programs, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("resolve %s: %w", o.dir, err)
	}
	if err := prepare(ctx, p, o, &t); err != nil {
		return err
	}
	removeStale(p)
	if t.State, err = os.MkdirTemp("", stateDirPrefix+strconv.Itoa(os.Getpid())+"-"); err != nil {
		return fmt.Errorf("create directory of the node: %w", err)
	}
	before, err := readSettings()
	if err != nil {
		return errors.Join(err, os.RemoveAll(t.State))
	}
	defer func() {
		p.say("cleaning up")
		err = errors.Join(err, before.restore(), removeCgroup(t.Cgroup), os.RemoveAll(t.State))
	}()
	if err := before.save(t.State); err != nil {
		return err
	}
	return runInNamespaces(ctx, t)
}

// prepare installs and builds what is missing.
func prepare(ctx context.Context, p *progress, o options, t *task) error {
	if err := os.MkdirAll(t.Programs, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(t.Programs, "build.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if err := p.step("installing Debian packages", func() error { return installPackages(ctx, log) }); err != nil {
		return err
	}
	for _, one := range programs {
		if err := p.step("building "+one.name, func() error { return one.build(ctx, o.root, t.Programs) }); err != nil {
			return err
		}
	}
	t.Images, err = buildImages(ctx, p, t.Programs, log)
	return err
}

// runInNamespaces starts this program again in new process, mount and network namespaces and waits until nothing of them is
// left: when their first process ends, the kernel ends all others, and mounts and network go with the last of them.
func runInNamespaces(ctx context.Context, t task) error {
	encoded, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode task: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	command := exec.Command(self, initCommand, string(encoded))
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start namespaces: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		_ = command.Process.Signal(syscall.SIGTERM) // a terminal's Ctrl-C has reached the inside already
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			_ = command.Process.Kill()
		}
	}()
	err = command.Wait()
	close(ended)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return endOf(err)
}
