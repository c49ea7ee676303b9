// Package plugin is what the meter and its reader agree on. It imports the standard library alone: the meter must start in no time.
package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Real and Runs are the directories beside the meter: the programs that it starts, by its own name, and what it wrote down.
const (
	Real = "real"
	Runs = "runs"
)

// MiB is the unit of memory.
const MiB = 1 << 20

// Run is one process of a provider. A CLI starts several for one command: for the schema, for validation, for the plan.
type Run struct {
	Process  int           `json:"process"`
	CPU      time.Duration `json:"cpu"`      // user and system
	Lifetime time.Duration `json:"lifetime"` // from start to exit
	RSS      int64         `json:"rss"`      // peak, in bytes
	Heap     Heap          `json:"heap"`
}

// Heap is what the garbage collector of a Go program told about its heap, to a MiB.
type Heap struct {
	Live int64 `json:"live"` // most that survived a collection, in bytes
	Peak int64 `json:"peak"` // size that the heap never exceeded, in bytes
}

// collection is a line of GODEBUG=gctrace=1: the heap when a collection started and when it ended, and what survived it.
var collection = regexp.MustCompile(`^gc \d+ @.* (\d+)->(\d+)->(\d+) MB, `)

// Collect takes in a line of standard error. It tells whether the line was for it.
func (h *Heap) Collect(line string) bool {
	fields := collection.FindStringSubmatch(line)
	if fields == nil {
		return false
	}
	var sizes [3]int64
	for i := range sizes {
		mebibytes, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return false
		}
		sizes[i] = mebibytes * MiB
	}
	started, ended, live := sizes[0], sizes[1], sizes[2]
	h.Live = max(h.Live, live)
	// What survived doubles before the next collection, which the program may not live to see.
	h.Peak = max(h.Peak, started, ended, 2*live)
	return true
}

// Write puts a run where Read finds it.
func (r Run) Write(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode run: %w", err)
	}
	name := filepath.Join(dir, strconv.Itoa(r.Process))
	if err := os.WriteFile(name+".partial", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".partial", name+".json")
}

// Take reads all runs and removes them.
func Take(dir string) ([]Run, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var runs []Run
	var errs []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		var run Run
		errs = append(errs, err, json.Unmarshal(data, &run), os.Remove(file))
		runs = append(runs, run)
	}
	return runs, errors.Join(errs...)
}
