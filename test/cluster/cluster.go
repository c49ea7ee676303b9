package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// options are what a caller may choose about a cluster.
type options struct {
	// kubeconfigDir receives the file kubeconfig; empty puts it into the cluster's own temporary directory.
	kubeconfigDir string
	// auditLog is the file that receives one JSON line per API request; empty means none.
	auditLog string
	// node is what runs the pods.
	node nodeKind
	// progress receives a line per step.
	progress io.Writer
}

// nodeKind is what runs the pods of a cluster.
type nodeKind int

const (
	// simulatedNode is kwok beside the simulation: no container runs.
	simulatedNode nodeKind = iota
	// realNode is a kubelet that somebody else starts on this machine, and that has the addresses of the simulated node.
	realNode
)

// cluster is a running test cluster. Its context ends when it is stopped or when one of its parts fails.
type cluster struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	dir        string
	plane      *controlPlane
	kubeconfig string
	rest       *rest.Config
	names      *nameServer
	simulation *simulation
	processes  []*process
	log        *os.File
	started    time.Time
}

// errStopped is the cause a cluster's context ends with when it is stopped on purpose.
var errStopped = errors.New("test cluster stopped")

// bootAttempts is how often a boot is tried. Ports are chosen before the components open them, so that another program
// can take one in between; a component that ends during the boot is reason to try again with new ports.
const bootAttempts = 3

// boot starts a cluster and returns once it keeps every promise of README.md. It must be called on the main goroutine.
func boot(ctx context.Context, o options) (*cluster, error) {
	for attempt := 1; ; attempt++ {
		c, err := bootOnce(ctx, o)
		if err == nil {
			return c, nil
		}
		var exited *exitError
		if attempt == bootAttempts || !errors.As(err, &exited) {
			return nil, err
		}
		fmt.Fprintf(o.progress, "testcluster: %v\ntestcluster: trying again\n", err)
	}
}

func bootOnce(parent context.Context, o options) (c *cluster, err error) {
	c = &cluster{started: time.Now()}
	c.ctx, c.cancel = context.WithCancelCause(parent)
	defer func() {
		if err == nil {
			return
		}
		// The failure of a component explains the errors of those that talk to it.
		if cause := context.Cause(c.ctx); cause != nil {
			err = cause
		}
		err = errors.Join(err, c.stop())
		c = nil
	}()

	if c.dir, err = os.MkdirTemp("", "testcluster-"); err != nil {
		return c, fmt.Errorf("create directory: %w", err)
	}
	if c.log, err = logToFile(filepath.Join(c.dir, "simulation.log")); err != nil {
		return c, err
	}
	plane, err := newControlPlane(c.dir, o)
	if err != nil {
		return c, err
	}
	c.plane = plane
	if c.kubeconfig, err = writeKubeconfig(o.kubeconfigDir, c.dir); err != nil {
		return c, err
	}
	if o.node == realNode {
		if err = plane.writeNodeFiles(filepath.Dir(c.kubeconfig)); err != nil {
			return c, err
		}
	}
	if c.rest, err = clientcmd.BuildConfigFromFlags("", plane.file(componentKubeconfig)); err != nil {
		return c, fmt.Errorf("read kubeconfig of the components: %w", err)
	}
	if c.names, err = startNameServer(); err != nil {
		return c, err
	}

	c.say(o, "starting etcd and the API server on %s", plane.url())
	if err = c.start(etcdComponent, plane.etcdFlags()...); err != nil {
		return c, err
	}
	if err = c.start(apiServerComponent, plane.apiServerFlags()...); err != nil {
		return c, err
	}
	if err = waitForAPIServer(c.ctx, c.rest); err != nil {
		return c, err
	}

	c.say(o, "the API server is ready; starting what else there is")
	if err = c.start(controllerManagerComponent, plane.controllerManagerFlags()...); err != nil {
		return c, err
	}
	if err = c.start(schedulerComponent, plane.schedulerFlags()...); err != nil {
		return c, err
	}
	if o.node == simulatedNode {
		if err = c.start(kwokComponent, plane.kwokFlags()...); err != nil {
			return c, err
		}
	}
	if c.simulation, err = startSimulation(c.ctx, c.rest, o.node); err != nil {
		return c, err
	}
	if err = createFixture(c.ctx, c.rest, o.node); err != nil {
		return c, err
	}
	if err = waitForFixture(c.ctx, c.rest, o.node); err != nil {
		return c, err
	}
	c.say(o, "ready")
	return c, nil
}

// start runs one component until the cluster stops.
func (c *cluster) start(name string, flags ...string) error {
	p, err := startProcess(c.dir, name, c.cancel, flags...)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// restartAPIServer kills the API server and starts it again on the same port. It returns once that is ready. It must be called on
// the main goroutine.
func (c *cluster) restartAPIServer() error {
	i := slices.IndexFunc(c.processes, func(p *process) bool { return p.name == apiServerComponent })
	if err := c.processes[i].kill(); err != nil {
		return err
	}
	p, err := startProcess(c.dir, apiServerComponent, c.cancel, c.plane.apiServerFlags()...)
	if err != nil {
		return err
	}
	c.processes[i] = p
	return waitForAPIServer(c.ctx, c.rest)
}

// stop ends every part of the cluster, the last started first, and removes its directory. It returns when nothing of it
// is left.
func (c *cluster) stop() error {
	c.cancel(errStopped)
	var errs []error
	if c.simulation != nil {
		c.simulation.wait()
	}
	for i := len(c.processes) - 1; i >= 0; i-- {
		errs = append(errs, c.processes[i].kill())
	}
	if c.names != nil {
		errs = append(errs, c.names.stop())
	}
	if c.log != nil {
		klog.SetOutput(io.Discard)
		errs = append(errs, c.log.Close())
	}
	if c.kubeconfig != "" {
		errs = append(errs, os.Remove(c.kubeconfig))
	}
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

func (c *cluster) say(o options, format string, args ...any) {
	fmt.Fprintf(o.progress, "testcluster: %4.1fs %s\n", time.Since(c.started).Seconds(), fmt.Sprintf(format, args...))
}

// logToFile sends what the simulation's client library logs to a file of its own, like the log of every component: it is
// no news that a watch ends when the cluster stops.
func logToFile(path string) (*os.File, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create log of the simulation: %w", err)
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			return file, fmt.Errorf("set up log of the simulation: %w", err)
		}
	}
	klog.SetOutput(file)
	return file, nil
}

// writeKubeconfig puts the administrator's kubeconfig where the caller wants it.
func writeKubeconfig(to, from string) (string, error) {
	data, err := os.ReadFile(filepath.Join(from, adminKubeconfig))
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	if to == "" {
		to = from
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return "", fmt.Errorf("resolve directory of kubeconfig: %w", err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", fmt.Errorf("create directory of kubeconfig: %w", err)
	}
	path := filepath.Join(to, "kubeconfig")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}
