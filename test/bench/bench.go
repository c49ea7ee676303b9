package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// bench measures subjects, one after the other, on one cluster.
type bench struct {
	cli, meter string
	dir        string // for workspaces
	plans      int    // to run of each size
	profile    string // see [serveProfiled]
	cluster    *cluster
	recorder   *recorder
}

// result is what was measured of a subject at one size.
type result struct {
	Subject string `json:"subject"`
	Things  int    `json:"things"`
	Made    int    `json:"made"` // by the apply
	Apply   run    `json:"apply"`
	Plans   []run  `json:"plans"` // with nothing to do
	State   int64  `json:"state"` // in bytes
}

// run is one command, seen from three sides: the kernel's, the recorder's and the API server's.
type run struct {
	usage
	record
	Requesting   time.Duration `json:"requesting"`    // from the first request to the last
	ServerLists  int           `json:"server_lists"`  // of everybody
	ServerWrites int           `json:"server_writes"` // of everybody, to what stores consist of
}

// measure makes things, up to each of the sizes in turn, and plans there with nothing to do.
func (b *bench) measure(ctx context.Context, s subject, sizes ...int) ([]result, error) {
	dir, err := os.MkdirTemp(b.dir, "workspace-")
	if err != nil {
		return nil, err
	}
	w, err := newWorkspace(dir, b.cli, b.meter, s)
	if err != nil {
		return nil, err
	}
	var results []result
	made := 0
	for _, size := range slices.Sorted(slices.Values(sizes)) {
		r := result{Subject: s.name, Things: size, Made: size - made}
		say("%s: apply, from %d to %d", s.name, made, size)
		things := fmt.Sprintf("-var=things=%d", size)
		// As fast as it goes: this is the way to what is measured.
		r.Apply, err = b.run(ctx, w, nil, "apply", "-auto-approve", "-refresh=false", "-parallelism=20", "-var=qps=10000", things)
		if err != nil {
			return nil, err
		}
		say("%s: made %d in %.0f s", s.name, r.Made, r.Apply.Wall.Seconds())
		made = size
		if r.State, err = w.stateSize(); err != nil {
			return nil, err
		}
		for i := range b.plans {
			if err := b.cluster.settle(ctx); err != nil {
				return nil, err
			}
			plan, err := b.run(ctx, w, []string{profileVariable + "=" + b.profile}, "plan", "-detailed-exitcode", things)
			if err != nil {
				return nil, err
			}
			say("%s: plan %d of %d over %d in %.2f s, %d requests", s.name, i+1, b.plans, size, plan.Wall.Seconds(), plan.total())
			r.Plans = append(r.Plans, plan)
		}
		results = append(results, r)
	}
	return results, nil
}

func (b *bench) run(ctx context.Context, w *workspace, env []string, args ...string) (run, error) {
	before, err := b.cluster.requests(ctx)
	if err != nil {
		return run{}, err
	}
	b.recorder.take()
	used, err := w.run(ctx, env, append(args, "-input=false", "-no-color", "-compact-warnings")...)
	if err != nil {
		return run{}, err
	}
	after, err := b.cluster.requests(ctx)
	if err != nil {
		return run{}, err
	}
	counted := after.since(before)
	r := run{usage: used, record: b.recorder.take(), ServerLists: counted.lists(), ServerWrites: counted.writesToStores()}
	r.Requesting = r.last.Sub(r.first)
	return r, nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: %s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}
