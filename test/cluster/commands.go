package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The environment variables that tell a test where the cluster is.
const (
	kubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG"
	dnsVariable        = "STOREPLATFORM_TEST_DNS"
)

// ready is what a caller has to know about a cluster that is up.
type ready struct {
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// Server is the URL of the API server.
	Server string `json:"server"`
	// DNS is the address, host:port, of the name server, on UDP and TCP.
	DNS string `json:"dns"`
	// Address is what load balancers and Ingresses get.
	Address string `json:"address"`
	// Seconds is how long the boot took.
	Seconds float64 `json:"seconds"`
}

func (c *cluster) ready() ready {
	return ready{
		Kubeconfig: c.kubeconfig, Server: c.rest.Host, DNS: c.names.address, Address: nodeExternalIP,
		Seconds: time.Since(c.started).Round(10 * time.Millisecond).Seconds(),
	}
}

// up boots a cluster and serves until it is told to stop.
func up(args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("testcluster up", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := options{progress: stderr}
	flags.StringVar(&o.kubeconfigDir, "dir", "", "directory that receives the file kubeconfig (default: a temporary one)")
	flags.StringVar(&o.auditLog, "audit-log", "", "file that receives one JSON line per API request (default: none)")
	flags.Func("node", "what runs the pods: simulated, or real for a kubelet that you start (default: simulated)", o.parseNode)
	readyFile := flags.String("ready-file", "", "file that receives the line of standard output once the cluster is ready")
	lifeline := flags.Bool("stdin-lifeline", false, "stop when standard input ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var orders <-chan string
	if *lifeline {
		// Whoever held the lifeline may have read the progress too; a line that nobody reads must not end the cleaning up.
		signal.Ignore(syscall.SIGPIPE)
		ctx, orders = untilEnd(ctx, os.Stdin)
	}

	c, err := boot(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	line, err := json.Marshal(c.ready())
	if err != nil {
		return fmt.Errorf("encode ready line: %w", err)
	}
	line = append(line, '\n')
	if *readyFile != "" {
		if err := writeAtOnce(*readyFile, line); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(*readyFile)) }()
	}
	for {
		if _, err := stdout.Write(line); err != nil {
			return fmt.Errorf("write ready line: %w", err)
		}
		select {
		case order := <-orders:
			if order != restartOrder {
				return fmt.Errorf("no such order: %q", order)
			}
			if err := c.restartAPIServer(); err != nil {
				return err
			}
		case <-c.ctx.Done():
			if ctx.Err() != nil {
				return nil // told to stop
			}
			return context.Cause(c.ctx)
		}
	}
}

// parseNode reads the flag --node.
func (o *options) parseNode(value string) error {
	switch value {
	case "simulated":
		o.node = simulatedNode
	case "real":
		o.node = realNode
	default:
		return errors.New("must be simulated or real")
	}
	return nil
}

// run boots a cluster, runs a command with its address in the environment, and stops it.
func run(args []string, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("testcluster run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := options{progress: stderr}
	flags.StringVar(&o.auditLog, "audit-log", "", "file that receives one JSON line per API request (default: none)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no command to run: testcluster run [--audit-log F] -- command args")
	}
	// Until the command runs, a signal ends the boot. After that the command decides how it ends: a terminal sends Ctrl-C
	// to it too, and a request to terminate is passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	interrupted, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	detach := context.AfterFunc(interrupted, cancel)

	c, err := boot(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if !detach() {
		return interrupted.Err()
	}

	command := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), kubeconfigVariable+"="+c.kubeconfig, dnsVariable+"="+c.names.address)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", flags.Arg(0), err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	failed := c.ctx.Done()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if err := command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("pass on %s: %w", s, err)
			}
		case <-failed:
			// The command will notice that its cluster is gone, and the reason is of more use than its errors.
			fmt.Fprintln(stderr, "testcluster:", context.Cause(c.ctx))
			failed = nil
		}
	}
}

// restartOrder is the line of standard input that kills the API server and starts it again. The ready line is printed once more
// when that is done.
const restartOrder = "restart API server"

// untilEnd returns a context that ends when a reader does: the other end of a pipe closes with the process that holds it,
// however that process ends. What is read before are orders, a line each.
func untilEnd(ctx context.Context, lifeline io.Reader) (context.Context, <-chan string) {
	ctx, cancel := context.WithCancel(ctx)
	orders := make(chan string)
	go func() {
		defer cancel()
		// An error ends the lifeline just as well.
		for lines := bufio.NewScanner(lifeline); lines.Scan(); {
			select {
			case orders <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, orders
}

// writeAtOnce makes a file appear with its whole content, for a reader that waits for it.
func writeAtOnce(path string, data []byte) error {
	partial := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}
