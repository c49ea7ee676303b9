package plugin_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/test/bench/plugin"
)

func TestHeapCollect(t *testing.T) {
	t.Parallel()
	const mib = plugin.MiB
	for name, tc := range map[string]struct {
		reason string
		lines  []string
		want   plugin.Heap
		others int
	}{
		"Growing": {
			reason: "What survived the last collection may double before the program ends.",
			lines: []string{
				"gc 1 @0.011s 2%: 0.012+1.1+0.002 ms clock, 0.025+0.18/0.66/0+0.005 ms cpu, 4->5->3 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
				"gc 2 @0.020s 3%: 0.014+1.3+0.002 ms clock, 0.028+0.22/0.75/0+0.005 ms cpu, 7->8->6 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
			},
			want: plugin.Heap{Live: 6 * mib, Peak: 12 * mib},
		},
		"Overshot": {
			reason: "A program can allocate faster than a collection ends.",
			lines:  []string{"gc 9 @1.5s 3%: 0.014+1.3+0.002 ms clock, 0.02+0.2/0.7/0+0.005 ms cpu, 20->44->12 MB, 22 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)\n"},
			want:   plugin.Heap{Live: 12 * mib, Peak: 44 * mib},
		},
		"Logs": {
			reason: "The provider's own log lines are passed on.",
			lines:  []string{`{"@level":"trace","@message":"gc 1 @0.011s: 4->5->3 MB, 4 MB goal"}` + "\n", "panic: gc\n"},
			others: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got plugin.Heap
			others := 0
			for _, line := range tc.lines {
				if !got.Collect(line) {
					others++
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nHeap (-want +got):\n%s", tc.reason, diff)
			}
			if others != tc.others {
				t.Errorf("%s\n%d lines were for others, want %d", tc.reason, others, tc.others)
			}
		})
	}
}

func TestTakeReturnsEachRunOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := []plugin.Run{{Process: 7, CPU: time.Second, Lifetime: 2 * time.Second, RSS: plugin.MiB, Heap: plugin.Heap{Live: 1, Peak: 2}}}
	if err := want[0].Write(dir); err != nil {
		t.Fatalf("Write: %v", err)
	}
	got, err := plugin.Take(dir)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Take (-want +got):\n%s", diff)
	}
	if again, err := plugin.Take(dir); err != nil || len(again) > 0 {
		t.Errorf("Take again: %v, %v, want nothing", again, err)
	}
}
