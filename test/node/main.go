// Command testnode starts a real Kubernetes node on this machine and runs a command beside it: the control plane of
// test/cluster, containerd, kubelet, kube-proxy, CoreDNS, a provisioner of local volumes and Traefik, with real containers
// whose images it builds from Debian's packages. Use it as
//
//	testnode run [--dir D] -- command args...
//
// It needs root and Debian. Elsewhere it says so and ends with code 0, or with code 3 when --required is given.
//
// Everything lives in process, mount and network namespaces of its own, so that all of it ends with the program, however the
// program ends: nothing listens on an address of this machine, and no packet leaves it. README.md says what is real.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// The kernel kills the child when the thread that started it ends. The main goroutine starts it, so it is kept on the main
// thread, which lives as long as the process.
func init() { runtime.LockOSThread() }

// exitSkipped is the exit code of a run that was required and could not be.
const exitSkipped = 3

func main() { os.Exit(dispatch(os.Args[1:])) }

// dispatch runs what the program was called for and returns the exit code.
func dispatch(args []string) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "run":
		err = run(args[1:])
	case len(args) > 0 && args[0] == initCommand:
		return runInit(args[1:])
	case len(args) > 0 && args[0] == insideCommand:
		err = runInside(args[1:])
	default:
		err = errors.New("usage: testnode run [--dir D] [--required] -- command args")
	}
	var skipped *skipError
	var failed *processError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &skipped):
		fmt.Fprintln(os.Stderr, skipped.banner())
		if skipped.required {
			return exitSkipped
		}
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "testnode:", err)
	return 1
}

// processError is the failure of a process that has said itself why it failed, so that only its exit code is passed on.
type processError struct{ *exec.ExitError }

// endOf returns what the end of a process that shares our standard error means to a caller.
func endOf(err error) error {
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) && failed.ExitCode() > 0 {
		return &processError{failed}
	}
	return err
}

// options are what a caller may choose.
type options struct {
	// root is the root of the repository.
	root string
	// dir keeps built programs and images between runs.
	dir string
	// required makes it an error when this machine cannot run a node.
	required bool
	// command is run beside the node.
	command []string
}

func parseOptions(args []string) (options, error) {
	flags := flag.NewFlagSet("testnode run", flag.ContinueOnError)
	var o options
	flags.StringVar(&o.root, "root", ".", "root of the repository")
	flags.StringVar(&o.dir, "dir", "bin/node", "directory that keeps built programs and images between runs")
	flags.BoolVar(&o.required, "required", false, "fail with code 3 where a node cannot run, instead of leaving it out")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.command = flags.Args(); len(o.command) == 0 {
		return o, errors.New("no command to run: testnode run [--dir D] -- command args")
	}
	return o, nil
}
