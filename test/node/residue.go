package main

import (
	"encoding/json"
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
	left := func(pattern, prefix string, remove func(path string) error) {
		found, _ := filepath.Glob(pattern) // the pattern is a good one
		for _, path := range found {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
			if n, err := strconv.Atoi(pid); err != nil || alive(n) {
				continue
			}
			if err := remove(path); err != nil {
				p.say("cannot remove what a killed run left: %v", err)
			}
		}
	}
	left(filepath.Join(os.TempDir(), stateDirPrefix+"*"), stateDirPrefix, func(dir string) error {
		before, err := loadSettings(dir)
		if err == nil {
			err = before.restore()
		}
		return errors.Join(err, os.RemoveAll(dir))
	})
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return // the node will say why
	}
	for _, dir := range hierarchies {
		left(filepath.Join(dir, cgroupPrefix+"*"), cgroupPrefix, removeTree)
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

// settingsFile is where a run notes them down for the next one, in case it is killed.
const settingsFile = "kernel-settings.json"

func (s settings) save(dir string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode kernel settings: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, settingsFile), data, 0o600)
}

func loadSettings(dir string) (settings, error) {
	data, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}, nil // it was killed before it changed any
	}
	if err != nil {
		return nil, fmt.Errorf("read kernel settings of a killed run: %w", err)
	}
	var s settings
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("decode kernel settings of a killed run: %w", err)
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
