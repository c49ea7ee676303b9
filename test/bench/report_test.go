package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/test/bench/plugin"
)

// TestBroken checks what fails a run: requests and writes of any plan, and never what depends on the machine.
func TestBroken(t *testing.T) {
	t.Parallel()
	plan := func(change func(*run)) run {
		p := run{record: newRecord()}
		p.Requests["LIST"] = 37
		change(&p)
		return p
	}
	good := plan(func(*run) {})
	for name, tc := range map[string]struct {
		reason string
		plan   run
		want   string
	}{
		"Kept": {reason: "37 pages of lists for 1,000 stores are within the budget.", plan: good},
		"Slow": {
			reason: "A busy machine breaks nothing.",
			plan:   plan(func(p *run) { p.Wall, p.Heap.Peak = time.Minute, 500*plugin.MiB }),
		},
		"Requests": {
			reason: "A request for each store shows.",
			plan:   plan(func(p *run) { p.Requests["GET"] = 4 }),
			want:   "plan 2 of 1000 stores sent 41 requests, the budget is 40",
		},
		"Writes": {
			reason: "A plan that writes is a defect.",
			plan:   plan(func(p *run) { p.Writes, p.Paths = 1, map[string]int{"APPLY secrets": 1} }),
			want:   "plan 2 of 1000 stores sent 1 writes: map[APPLY secrets:1]",
		},
		"ServerWrites": {
			reason: "So is one that writes past the recorder.",
			plan:   plan(func(p *run) { p.ServerWrites = 3 }),
			want:   "the API server counted 3 writes to what stores consist of during plan 2 of 1000 stores",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report{
				Stores: []result{{Subject: "storeplatform", Things: 1000, Made: 1000, Plans: []run{good, tc.plan, good}}},
				Floors: []result{{Subject: "nothing", Things: 1000, Made: 1000, Plans: []run{good, good, good}}},
			}
			got := ""
			if err := r.broken(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nbroken (-want +got):\n%s", tc.reason, diff)
			}
			if kept := !strings.Contains(r.String(), "NOT KEPT"); kept && tc.want != "" {
				t.Errorf("%s\nThe report does not say so:\n%s", tc.reason, r)
			}
		})
	}
}
