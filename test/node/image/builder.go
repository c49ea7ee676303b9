package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Builder makes the layers of images.
type Builder struct {
	// Dir keeps layers between runs, and holds what a build needs meanwhile.
	Dir string
	// Log receives what the build's programs say.
	Log io.Writer
}

// Layer returns the path of a recipe's layer, built when it is not there. Parents must be built before.
func (b *Builder) Layer(ctx context.Context, r *Recipe) (string, error) {
	path, err := b.path(r)
	if err != nil || exists(path) {
		return path, err
	}
	work, err := os.MkdirTemp(b.Dir, "build-")
	if err != nil {
		return "", fmt.Errorf("create directory of build: %w", err)
	}
	err = inMountNamespace(func() error { return b.build(ctx, r, work, path) })
	if err != nil {
		err = fmt.Errorf("build image %s: %w", r.Name(), err)
	}
	return path, errors.Join(err, os.RemoveAll(work))
}

// Built tells whether the layer of a recipe is there.
func (b *Builder) Built(r *Recipe) bool {
	path, err := b.path(r)
	return err == nil && exists(path)
}

func (b *Builder) path(r *Recipe) (string, error) {
	key, err := r.key()
	return filepath.Join(b.Dir, key+".tar"), err
}

// build makes a layer in the calling thread's own mount namespace.
func (b *Builder) build(ctx context.Context, r *Recipe, work, path string) error {
	changes, root := filepath.Join(work, "changes"), filepath.Join(work, "changes")
	if err := os.Mkdir(changes, 0o755); err != nil {
		return err
	}
	if r.Parent != nil {
		root = filepath.Join(work, "root")
		if err := b.mountAbove(r.Parent, work, changes, root); err != nil {
			return err
		}
	}
	if r.Prepare != nil {
		if err := r.Prepare(ctx, root); err != nil {
			return err
		}
	}
	if r.Files != nil {
		if err := copyFiles(root, r.Files); err != nil {
			return err
		}
	}
	if r.Script != "" {
		if err := b.run(ctx, root, r.Script); err != nil {
			return err
		}
	}
	return packLayer(path, changes)
}

// mountAbove unpacks a recipe's layers and mounts an overlay above them, whose changes go to a directory of their own.
func (b *Builder) mountAbove(parent *Recipe, work, changes, root string) error {
	var below []string
	for i, one := range parent.Lineage() {
		layer, err := b.path(one)
		if err != nil {
			return err
		}
		dir := filepath.Join(work, fmt.Sprintf("below-%d", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if output, err := exec.Command("tar", "--extract", "--numeric-owner", "--file", layer, "--directory", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", layer, err, output)
		}
		below = append([]string{dir}, below...)
	}
	for _, dir := range []string{root, filepath.Join(work, "overlay")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(below, ":"), changes, filepath.Join(work, "overlay"))
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}

// run executes a shell script in a root.
func (b *Builder) run(ctx context.Context, root, script string) error {
	proc, dev := filepath.Join(root, "proc"), filepath.Join(root, "dev")
	if err := syscall.Mount("proc", proc, "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := syscall.Mount("/dev", dev, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("mount dev: %w", err)
	}
	defer func() { // at the latest, they go with the namespace
		_ = syscall.Unmount(proc, syscall.MNT_DETACH)
		_ = syscall.Unmount(dev, syscall.MNT_DETACH)
	}()
	command := exec.CommandContext(ctx, "/bin/sh", "-eux", "-c", script)
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL}
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "LC_ALL=C.UTF-8"}
	command.Stdout, command.Stderr = b.Log, b.Log
	if err := command.Run(); err != nil {
		return fmt.Errorf("run its script: %w", err)
	}
	return nil
}

// copyFiles writes files into a root. Those with a first line that names an interpreter are executable.
func copyFiles(root string, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(root, path)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(string(data), "#!") {
			mode = 0o755
		}
		return errors.Join(os.WriteFile(target, data, mode), os.Chmod(target, mode))
	})
}

// inMountNamespace runs a function whose mounts nobody else sees. They go when it returns, with the thread that it ran on.
func inMountNamespace(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends such a thread with its goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			done <- fmt.Errorf("unshare mounts: %w", err)
			return
		}
		if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
			done <- fmt.Errorf("make mounts private: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
