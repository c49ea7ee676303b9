package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What namespaces do not hold: a directory, control groups and three settings of the kernel.
const (
	stateDirPrefix = "testnode-state-"
	cgroupPrefix   = "testnode-"
	cgroupRoot     = "/sys/fs/cgroup"
)

// cgroupName is the control group of the pods of one run, named after its process so that what a killed run left is known.
func cgroupName(pid int) string { return cgroupPrefix + strconv.Itoa(pid) }

// cgroupHierarchies are the directories below which control groups are made: one for each controller, or one for all (v2).
func cgroupHierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, fmt.Errorf("list control groups: %w", err)
	}
	var all []string
	for _, entry := range entries {
		if entry.IsDir() { // and no symbolic link to another
			all = append(all, filepath.Join(cgroupRoot, entry.Name()))
		}
	}
	return all, nil
}

// makeCgroup makes a control group in every hierarchy: the kubelet wants to find its root.
func makeCgroup(name string) error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	for _, dir := range hierarchies {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("create control group: %w", err)
		}
	}
	return nil
}

// removeCgroup removes a control group and all below it. The kernel takes a moment to forget processes that it has killed.
func removeCgroup(name string) error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range hierarchies {
		path := filepath.Join(dir, name)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			err := removeTree(path)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// removeTree removes directories from the innermost out. The files in them are the kernel's and go with them.
func removeTree(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(path)
}

// removeStale removes what runs left that were killed: their processes, mounts and networks went with them.
func removeStale(p *progress) {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return // the node will say why
	}
	names := map[string]bool{}
	for _, dir := range hierarchies {
		found, _ := filepath.Glob(filepath.Join(dir, cgroupPrefix+"*"))
		for _, path := range found {
			names[filepath.Base(path)] = true
		}
	}
	for name := range names {
		pid, err := strconv.Atoi(strings.TrimPrefix(name, cgroupPrefix))
		if err != nil || alive(pid) {
			continue
		}
		if err := removeCgroup(name); err != nil {
			p.say("cannot remove what a killed run left: %v", err)
		}
	}
}

func alive(pid int) bool {
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	return err == nil
}

// settings are the values of kernel settings that a kubelet changes for the whole machine.
type settings map[string]string

// readSettings notes them down.
func readSettings() (settings, error) {
	s := settings{}
	for _, name := range []string{"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory"} {
		path := filepath.Join("/proc/sys", name)
		value, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read kernel setting: %w", err)
		}
		s[path] = string(value)
	}
	return s, nil
}

// restore puts them back.
func (s settings) restore() error {
	var errs []error
	for path, value := range s {
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("restore kernel setting: %w", err))
		}
	}
	return errors.Join(errs...)
}
