// Command testcluster boots a Kubernetes cluster for tests on one machine, without containers and without root: a real
// etcd, kube-apiserver, kube-controller-manager and kube-scheduler v1.37.2 on free loopback ports in a temporary
// directory, one node simulated by kwok v0.8.0, and beside them what a k3s server brings (Traefik, CoreDNS, the
// local-path provisioner, ServiceLB) as far as it shows in the API. Nothing runs in its pods: that a store is ready here
// says that Kubernetes accepted, scheduled and rolled out its objects, never that a shop answered.
//
// Build it from the repository root with
//
//	go -C test/cluster build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37" -o ../../bin/testcluster .
//
// The version flags are needed: Helm cannot parse the version an unstamped API server reports. Use it as
//
//	testcluster up [--dir D] [--ready-file F] [--audit-log F] [--stdin-lifeline] [--node real]
//	testcluster run [--audit-log F] -- command args...
//
// README.md lists what is simulated, how to make a store fail, and what the name server answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"k8s.io/component-base/version"
)

// The children are killed by the kernel when the thread that started them ends (see startProcess). The main goroutine
// starts them, so it is kept on the main thread, which lives as long as the process.
func init() { runtime.LockOSThread() }

func main() { os.Exit(dispatch(os.Args)) }

// dispatch runs what the program was called as: a component of the control plane when its name says so, a command
// otherwise. It returns the exit code.
func dispatch(args []string) int {
	if run, found := componentNamed(args[0]); found {
		return run(args)
	}
	if version.Get().GitVersion != kubernetesVersion {
		fmt.Fprintf(os.Stderr, "testcluster: built as Kubernetes %s instead of %s: build it with the flags of its package comment\n",
			version.Get().GitVersion, kubernetesVersion)
		return 2
	}
	if err := command(args[1:], os.Stdout, os.Stderr); err != nil {
		return exitCode(err, os.Stderr)
	}
	return 0
}

// exitCode says why a command of testcluster failed and returns the code to end with: that of the command it ran, which
// has said why itself, or 1.
func exitCode(err error, stderr io.Writer) int {
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return failed.ExitCode()
	}
	if !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "testcluster:", err)
	}
	return 1
}

// command parses and executes one of testcluster's own commands.
func command(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "up":
			return up(args[1:], stdout, stderr)
		case "run":
			return run(args[1:], stderr)
		}
	}
	return fmt.Errorf("usage: testcluster up [--dir D] [--ready-file F] [--audit-log F] [--stdin-lifeline] [--node real] | testcluster run [--audit-log F] -- command args")
}
