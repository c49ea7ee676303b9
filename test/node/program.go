package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// kubernetesStamp gives Kubernetes programs the version that they are built from. test/cluster has the same.
const kubernetesStamp = " -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"

// program is a Go program that a node runs. Each is built in a module of its own, because their dependencies conflict;
// versions are pinned in the module.
type program struct {
	name    string
	module  string // directory, from the root of the repository
	pkg     string
	ldflags string
}

var programs = []program{
	{"testcluster", "test/cluster", ".", kubernetesStamp},
	{"kubelet", "test/node/programs/kubernetes", "k8s.io/kubernetes/cmd/kubelet", kubernetesStamp},
	{"kube-proxy", "test/node/programs/kubernetes", "k8s.io/kubernetes/cmd/kube-proxy", kubernetesStamp},
	{"coredns", "test/node/programs/coredns", "github.com/coredns/coredns", ""},
	{"local-path-provisioner", "test/node/programs/local-path-provisioner", "github.com/rancher/local-path-provisioner", ""},
	{"traefik", "test/node/programs/traefik", "github.com/traefik/traefik/v3/cmd/traefik", ""},
	{"pause", ".", "./test/node/pause", ""},
}

// build builds the program into a directory. A program that is up to date takes a second.
func (p program) build(ctx context.Context, root, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", dir, err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w"+p.ldflags, "-o", filepath.Join(dir, p.name), p.pkg)
	command.Dir = filepath.Join(root, p.module)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}
