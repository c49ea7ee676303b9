package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNothingIsLeftBehind(t *testing.T) {
	cases := map[string]struct {
		reason string
		end    func(*program) error
		// keepsDir is true where nobody is left to remove the directory.
		keepsDir bool
	}{
		"Terminated": {
			reason: "A stop from outside, by make or by a user's Ctrl-C.",
			end:    func(p *program) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
		},
		"LifelineCut": {
			reason: "The test process that started the cluster has ended, however it did.",
			end:    func(p *program) error { return p.lifeline.Close() },
		},
		"Killed": {
			reason:   "testcluster itself is killed and can do nothing any more: the kernel ends its children.",
			end:      func(p *program) error { return p.cmd.Process.Kill() },
			keepsDir: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Log(tc.reason)
			p, err := startProgram()
			if err != nil {
				t.Fatalf("Boot the test cluster: %v", err)
			}
			children := processesOf(t, p.dir())
			if len(children) != 5 {
				t.Errorf("Found %d processes of the cluster, want etcd, API server, controller manager, scheduler and kwok", len(children))
			}
			if err := tc.end(p); err != nil {
				t.Fatalf("End the program: %v", err)
			}
			err = p.cmd.Wait()
			var exit *exec.ExitError
			if err != nil && (!tc.keepsDir || !errors.As(err, &exit)) {
				t.Errorf("The program ended with %v, want a clean end", err)
			}
			for _, child := range children {
				child.waitForEnd(t)
			}
			if left := processesOf(t, p.dir()); len(left) > 0 {
				t.Errorf("%d processes are left behind", len(left))
			}
			if tc.keepsDir {
				if err := os.RemoveAll(p.dir()); err != nil {
					t.Errorf("Remove the directory: %v", err)
				}
				return
			}
			if _, err := os.Stat(p.dir()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("The directory %s is still there: %v", p.dir(), err)
			}
		})
	}
}

func TestRunGivesTheCommandsExitCode(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("Find own executable: %v", err)
	}
	run := exec.Command(self, "run", "--", "sh", "-c", `test -s "$`+kubeconfigVariable+`" && test -n "$`+dnsVariable+`" && exit 7`)
	run.Env = append(os.Environ(), asProgramVariable+"=1")
	output, err := run.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("run ended with %v, want the command's exit status 7:\n%s", err, output)
	}
}

// child is a process of a cluster, held by a descriptor so that its number cannot mean another process later.
type child struct {
	name string
	fd   int
}

// processesOf finds the processes whose command line names a directory.
func processesOf(t *testing.T, dir string) []child {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatalf("List processes: %v", err)
	}
	var found []child
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(line, []byte(dir)) {
			continue // ended in between, or somebody else's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatalf("Read process number: %v", err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatalf("Open process %d: %v", pid, err)
		}
		t.Cleanup(func() {
			if err := unix.Close(fd); err != nil {
				t.Errorf("Close process descriptor: %v", err)
			}
		})
		name, _, _ := strings.Cut(string(line), "\x00")
		found = append(found, child{name: name, fd: fd})
	}
	return found
}

// waitForEnd blocks until the process has ended.
func (c child) waitForEnd(t *testing.T) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(conditionTimeout.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			t.Errorf("%s has not ended: %v", c.name, err)
		}
		return
	}
}
