package provider

import (
	"context"
	"errors"
	"testing"
)

func TestRecall(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	cases := map[string]struct {
		reason string
		ctx    context.Context
		answer error
		want   int
	}{
		"Once":       {reason: "within an RPC an answer is remembered", ctx: withMemory(t.Context()), want: 1},
		"Failure":    {reason: "a cluster that does not answer is not waited for twice", ctx: withMemory(t.Context()), answer: refused, want: 1},
		"EveryTime":  {reason: "without a memory nothing is remembered", ctx: t.Context(), want: 3},
		"Forgetting": {reason: "a context that wraps the memory still has it", ctx: context.WithoutCancel(withMemory(t.Context())), want: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			for range 3 {
				got, err := recall(tc.ctx, "store", func() (int, error) { asked++; return 7, tc.answer })
				if got != 7 || !errors.Is(err, tc.answer) {
					t.Errorf("%s: got %d, %v", tc.reason, got, err)
				}
			}
			if other, err := recall(tc.ctx, "cluster", func() (string, error) { return "uid", nil }); other != "uid" || err != nil {
				t.Errorf("another question has another answer: got %q, %v", other, err)
			}
			if asked != tc.want {
				t.Errorf("%s: asked %d times, want %d", tc.reason, asked, tc.want)
			}
		})
	}
}
