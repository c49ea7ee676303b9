package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiled serves and writes a CPU profile to a file of this process, if the path is not empty. A CLI starts the provider several
// times for one plan.
func profiled(path string, serve func() error) error {
	if path == "" {
		return serve()
	}
	file, err := os.Create(fmt.Sprintf("%s.%d", path, os.Getpid()))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = serve()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// keepLargestProfile renames the profile of the busiest process to path and removes the others.
func keepLargestProfile(path string) error {
	files, err := filepath.Glob(path + ".*")
	if err != nil {
		return err
	}
	var size int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if info.Size() <= size {
			err = os.Remove(file)
		} else {
			size = info.Size()
			err = os.Rename(file, path)
		}
		if err != nil {
			return err
		}
	}
	if size == 0 {
		return fmt.Errorf("no process wrote a profile to %s.*", path)
	}
	return nil
}
