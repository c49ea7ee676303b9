package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/test/bench/plugin"
)

// report is everything that was measured.
type report struct {
	Machine string   `json:"machine"`
	Stores  []result `json:"stores"`
	Floors  []result `json:"floors"`
	Usual   []result `json:"usual"`
	Skipped string   `json:"skipped,omitempty"` // why there is nothing in Usual
}

// Budgets of a plan over unchanged stores. Requests do not grow with stores but by pages of lists.
const maxRequests = 40

// budgets of time and memory, by number of stores. Zero is no budget.
var budgets = map[int]struct {
	wall time.Duration
	heap int64
}{
	200:  {wall: 2 * time.Second},
	1000: {wall: 5 * time.Second, heap: 64 * plugin.MiB},
}

// broken returns the budgets that must hold on any machine and were broken.
func (r report) broken() error {
	var errs []error
	for _, stores := range r.Stores {
		for i, plan := range stores.Plans {
			of := fmt.Sprintf("plan %d of %d stores", i+1, stores.Things)
			if plan.total() > maxRequests {
				errs = append(errs, fmt.Errorf("%s sent %d requests, the budget is %d", of, plan.total(), maxRequests))
			}
			if plan.Writes > 0 {
				errs = append(errs, fmt.Errorf("%s sent %d writes: %v", of, plan.Writes, plan.Paths))
			}
			if plan.ServerWrites > 0 {
				errs = append(errs, fmt.Errorf("the API server counted %d writes to what stores consist of during %s", plan.ServerWrites, of))
			}
		}
	}
	return errors.Join(errs...)
}

// String renders the report as Markdown.
func (r report) String() string {
	out := new(strings.Builder)
	fmt.Fprintf(out, "%s\n\nPlan with nothing to do, medians:\n\n", r.Machine)
	fmt.Fprintln(out, "| managed with | number | requests | writes | wall (fastest) | from first to last request | CPU of the CLI | CPU of the provider | its heap, live / at most | its RSS |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	all := slices.Concat(r.Stores, r.Floors, r.Usual)
	for _, one := range all {
		fmt.Fprintf(out, "| %s | %d | %s | %d | %s (%s) | %s | %s | %s | %d / %d MiB | %d MiB |\n", one.Subject, one.Things,
			verbs(one.Plans[0].record), most(one, func(p run) int { return p.Writes }),
			seconds(median(one, wall)), seconds(fastest(one)),
			seconds(median(one, func(p run) time.Duration { return p.Requesting })),
			seconds(median(one, func(p run) time.Duration { return p.CLI })),
			seconds(median(one, func(p run) time.Duration { return p.Providers })),
			median(one, func(p run) int64 { return p.Heap.Live })/plugin.MiB, median(one, heap)/plugin.MiB,
			median(one, func(p run) int64 { return p.RSS })/plugin.MiB)
	}
	if r.Skipped != "" {
		fmt.Fprintf(out, "\n%s\n", r.Skipped)
	}
	fmt.Fprintf(out, "\nApply that made them:\n\n")
	fmt.Fprintln(out, "| managed with | made | requests each | writes each | wall | CPU of the CLI | CPU of the provider | state each |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	for _, one := range all {
		fmt.Fprintf(out, "| %s | %d | %.1f | %.1f | %s | %s | %s | %d bytes |\n", one.Subject, one.Made,
			float64(one.Apply.total())/float64(one.Made), float64(one.Apply.Writes)/float64(one.Made),
			seconds(one.Apply.Wall), seconds(one.Apply.CLI), seconds(one.Apply.Providers), one.State/int64(one.Things))
	}
	fmt.Fprintf(out, "\nBudgets:\n\n")
	for i, one := range r.Stores {
		r.judge(out, one, r.Floors[i])
	}
	return out.String()
}

// judge says how a result stands to its budgets.
func (r report) judge(out *strings.Builder, one, floor result) {
	line := func(what, got, budget string, kept bool) {
		verdict := "kept"
		if !kept {
			verdict = "NOT KEPT"
		}
		fmt.Fprintf(out, "- %d stores: %s %s, budget %s: %s\n", one.Things, what, got, budget, verdict)
	}
	requests := most(one, run.total)
	line("requests", fmt.Sprint(requests), fmt.Sprint(maxRequests), requests <= maxRequests)
	sent, counted := most(one, func(p run) int { return p.Writes }), most(one, func(p run) int { return p.ServerWrites })
	line("writes", fmt.Sprintf("%d sent, %d counted by the API server", sent, counted), "0", sent+counted == 0)
	budget := budgets[one.Things]
	if budget.wall > 0 {
		took, share := median(one, wall), median(floor, wall)
		line("wall", fmt.Sprintf("%s (the CLI alone takes %s)", seconds(took), seconds(share)), seconds(budget.wall), took <= budget.wall)
	}
	if budget.heap > 0 {
		size := median(one, heap)
		line("heap", fmt.Sprintf("%d MiB", size/plugin.MiB), fmt.Sprintf("%d MiB", budget.heap/plugin.MiB), size <= budget.heap)
	}
}

func wall(p run) time.Duration { return p.Wall }

func heap(p run) int64 { return p.Heap.Peak }

// median of a value over the plans.
func median[T cmp.Ordered](r result, of func(run) T) T {
	var all []T
	for _, plan := range r.Plans {
		all = append(all, of(plan))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// fastest is what a plan takes when nothing else disturbs it.
func fastest(r result) time.Duration {
	best := r.Plans[0].Wall
	for _, plan := range r.Plans {
		best = min(best, plan.Wall)
	}
	return best
}

// most is the largest value over the plans.
func most(r result, of func(run) int) int {
	largest := 0
	for _, plan := range r.Plans {
		largest = max(largest, of(plan))
	}
	return largest
}

// verbs says how many requests there were: "29 (2 GET, 27 LIST)".
func verbs(r record) string {
	var parts []string
	for _, verb := range slices.Sorted(maps.Keys(r.Requests)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Requests[verb], verb))
	}
	if len(parts) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", r.total(), strings.Join(parts, ", "))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// machine says what the numbers depend on.
func machine(ctx context.Context, b *bench) string {
	version := "CLI of an unknown version"
	command := exec.CommandContext(ctx, b.cli, "version")
	command.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE=/dev/null", "CHECKPOINT_DISABLE=1") // else its complaints come first
	if output, err := command.Output(); err == nil {
		version, _, _ = strings.Cut(string(output), "\n")
	}
	server := "of an unknown version"
	if info, err := b.cluster.client.Discovery().ServerVersion(); err == nil {
		server = info.GitVersion
	}
	return fmt.Sprintf("%s, Kubernetes %s, %d cores shared by the CLI, the provider and the whole cluster, %s.",
		version, server, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
}
