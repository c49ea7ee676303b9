package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// runInit is the first process of the namespaces. It starts the inside, passes signals on, reaps the orphans that containers
// leave, and ends with the inside: then the kernel kills whatever is left.
func runInit(args []string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if err := mountProc(); err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		return 1
	}
	inside := exec.Command("/proc/self/exe", append([]string{insideCommand}, args...)...) //nolint:gosec // the arguments are our own
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := inside.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "testnode: start inside of the namespaces:", err)
		return 1
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM { // a terminal's Ctrl-C reaches every process by itself
				_ = inside.Process.Signal(s)
			}
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "testnode: wait for the inside of the namespaces:", err)
			return 1
		case pid == inside.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == inside.Process.Pid:
			fmt.Fprintln(os.Stderr, "testnode: the inside of the namespaces ended with signal", status.Signal())
			return 1
		}
	}
}
