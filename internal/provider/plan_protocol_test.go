package provider

import (
	"fmt"
	"strings"
	"testing"
)

func TestAccPlanOfThatNameExists(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := func(cpu string) fields { return fields{"name": "gold", "cpu": cpu} }
	h := a.onCluster(t)
	made, messages := h.apply(planType, nil, config("2"))
	if messages != "" {
		t.Fatal(messages)
	}
	other := a.onCluster(t) // another run, whose state does not have it
	if got := other.plan(planType, nil, config("2")); got.messages != "" {
		t.Errorf("the same plan is what an interrupted create leaves: %s", got.messages)
	}
	mustSay(t, other.plan(planType, nil, config("3")).messages, "ERROR name", "Plan Exists", "gold@cpu=2,", "import {", fmt.Sprintf("id = %q", "gold"))

	// A tainted plan, and one that is to be replaced, has a state that this run has read.
	if made, messages = other.read(planType, made); messages != "" {
		t.Fatal(messages)
	}
	if got := other.plan(planType, nil, config("3")); got.messages != "" {
		t.Errorf("a tainted plan cannot be replaced by one with other values: %s", got.messages)
	}
	if _, messages := h.apply(planType, made, nil); strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
}
