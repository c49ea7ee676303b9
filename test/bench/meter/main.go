// Command meter stands in for a provider's binary: it starts the real one, which lies in the directory real beside it under the same
// name, and writes down what that process used. The CLI talks to the real program directly, through the socket that it announces.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/test/bench/plugin"
)

func main() {
	runtime.LockOSThread()      // the kernel ends the program with the thread that started it
	signal.Ignore(os.Interrupt) // Ctrl-C reaches the whole process group; the CLI decides when its plugins end
	err := meter()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "meter:", err)
		os.Exit(1)
	}
}

func meter() error {
	dir, name := filepath.Split(os.Args[0])
	command := exec.Command(filepath.Join(dir, plugin.Real, name), os.Args[1:]...) //nolint:gosec // the CLI says what to run
	command.Env = append(os.Environ(), "GODEBUG=gctrace=1")
	command.Stdin, command.Stdout = os.Stdin, os.Stdout
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := command.StderrPipe()
	if err != nil {
		return err
	}
	started := time.Now()
	if err := command.Start(); err != nil {
		return err
	}
	run := plugin.Run{Process: command.Process.Pid}
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if line != "" && !run.Heap.Collect(line) {
			fmt.Fprint(os.Stderr, line)
		}
		if err != nil {
			break // the end of the program
		}
	}
	failure := command.Wait()
	run.Lifetime = time.Since(started)
	run.CPU = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		run.RSS = usage.Maxrss * 1024
	}
	return errors.Join(failure, run.Write(filepath.Join(dir, plugin.Runs)))
}
