package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// node is a running Kubernetes node. Its context ends when it is stopped or when one of its parts fails.
type node struct {
	task
	ctx   context.Context
	fail  context.CancelCauseFunc
	plane plane
}

// plane is what testcluster says of the control plane.
type plane struct {
	Kubeconfig string
	DNS        string
}

// How long parts of the start may take on a machine that is busy building.
const (
	controlPlaneTimeout = 3 * time.Minute
	containerdTimeout   = time.Minute
)

// startNode starts every part of the node and returns when it keeps every promise of README.md.
func startNode(parent context.Context, p *progress, t task) (*node, error) {
	n := &node{task: t}
	n.ctx, n.fail = context.WithCancelCause(parent)
	if err := errors.Join(coverDirectories(t.State), makeNetwork(), makeCgroup(t.Cgroup), n.writeConfiguration()); err != nil {
		return n, err
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"starting the control plane", n.startControlPlane},
		{"starting containerd", n.startContainerd},
		{"importing images", n.importImages},
		{"starting kubelet and kube-proxy", n.startKubelet},
		{"waiting for node, cluster DNS, volumes and ingress controller", n.waitForSystem},
	}
	for _, step := range steps {
		if err := p.step(step.what, step.do); err != nil {
			return n, err
		}
	}
	return n, nil
}

// explain adds what a failed part said to the errors of those that needed it.
func (n *node) explain(err error) error {
	if cause := context.Cause(n.ctx); cause != nil {
		return errors.Join(err, cause)
	}
	return err
}

func (n *node) file(name string) string { return filepath.Join(n.State, name) }

func (n *node) program(name string) string { return filepath.Join(n.Programs, name) }

// start runs one of the node's programs until the node ends.
func (n *node) start(restarts restartPolicy, name string, args ...string) error {
	s := &service{name: filepath.Base(name), args: append([]string{name}, args...), restarts: restarts}
	s.log = n.file(s.name + ".log")
	return s.start(n.ctx, n.fail)
}

func (n *node) startControlPlane() error {
	ready := n.file("ready.json")
	if err := n.start(never, n.program("testcluster"), "up", "--node=real", "--dir="+n.file("cluster"), "--ready-file="+ready); err != nil {
		return err
	}
	return n.await(controlPlaneTimeout, func() error {
		data, err := os.ReadFile(ready)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &n.plane)
	})
}

func (n *node) startContainerd() error {
	if err := n.start(never, "containerd", "--config="+n.file("containerd.toml")); err != nil {
		return err
	}
	return n.await(containerdTimeout, func() error { return n.ctr("version").Run() })
}

func (n *node) importImages() error {
	if output, err := n.ctr("images", "import", n.Images).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// ctr is a command of containerd's client in the namespace of Kubernetes.
func (n *node) ctr(args ...string) *exec.Cmd {
	return exec.CommandContext(n.ctx, "ctr", append([]string{"--address=" + n.file("containerd.sock"), "--namespace=k8s.io"}, args...)...)
}

// startKubelet starts the kubelet, which comes back when a test kills it, as under systemd.
func (n *node) startKubelet() error {
	return errors.Join(
		n.start(always, n.program("kubelet"), "--config="+n.file("kubelet.yaml"), "--kubeconfig="+n.file("cluster/kubelet.kubeconfig"),
			"--hostname-override="+nodeName, "--node-ip="+nodeAddress),
		n.start(never, n.program("kube-proxy"), "--config="+n.file("kube-proxy.yaml")),
	)
}

// await tries until it works. It has to be asked: none of these programs tells when it is ready.
func (n *node) await(limit time.Duration, try func() error) error {
	const interval = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(n.ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-time.After(interval):
		}
	}
}
