package storekit

import (
	"context"
	"fmt"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Create Action = "create" // nothing of it exists
	Update Action = "update" // its specification changed
	Repair Action = "repair" // its specification did not change, the cluster did
	Resume Action = "resume" // an earlier operation did not finish
	Delete Action = "delete"
	BackUp Action = "back up"
	GiveUp Action = "give up" // what Reconcile does about an operation that does not finish
	None   Action = "none"
)

// TargetKind is what a step acts on.
type TargetKind string

// The kinds of targets.
const (
	TargetPlan   TargetKind = "plan"
	TargetStore  TargetKind = "store"
	TargetDomain TargetKind = "domain"
)

// Target names a plan, a store or a domain (by its host).
type Target struct {
	Kind TargetKind
	Name string
}

// String is "store/acme".
func (t Target) String() string { return string(t.Kind) + "/" + t.Name }

// StoreTarget names a store.
func StoreTarget(name string) Target { return Target{TargetStore, name} }

// PlanTarget names a plan.
func PlanTarget(name string) Target { return Target{TargetPlan, name} }

// DomainTarget names a domain by its host.
func DomainTarget(host string) Target { return Target{TargetDomain, spec.NormalHost(host)} }

// Step is what Up would do to one target, and why.
type Step struct {
	Target  Target
	Action  Action
	Why     []string          // "plan standard -> premium", "drift", "interrupted at release"
	Changes []spec.Change     // every difference, field by field where the cluster is known
	Objects map[string]string // "Kind/name" -> digest of the desired object; stores only
	Removes []spec.ObjectRef  // volumes that a delete destroys
	Notices []string          // what is allowed and yet surprises people later; of a create
	Adopts  *Adoption         // the namespace that the store takes over; nil when there is none
	Failure string            // why the last update was rolled back, which this one tries again; empty when it was not

	warnings []string // see [Preview.Warnings]
	releases bool     // it brings a store's release to other content

	run func(context.Context, *operation) error // what Up does; nil for None
}

// Adoption is a namespace that was there before its store.
type Adoption struct {
	Namespace string
	Keeps     []spec.ObjectRef // what it holds: kept, also when the store goes
}

// Preview is what an apply would do, as data. It holds no secret.
type Preview struct {
	Fleet    string
	Steps    []Step   // plans, then stores, then domains, then deletions
	Warnings []string // what could not be looked at, and why, each once

	fleet *Fleet
}

// Empty tells whether there is nothing to do.
func (p *Preview) Empty() bool {
	for _, step := range p.Steps {
		if step.Action != None {
			return false
		}
	}
	return true
}

// String tells what would happen, for people.
func (p *Preview) String() string {
	var b strings.Builder
	for _, step := range p.Steps {
		if step.Action == None {
			continue
		}
		fmt.Fprintf(&b, "%s %s", step.Action, step.Target)
		if len(step.Why) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(step.Why, "; "))
		}
		b.WriteByte('\n')
		for _, change := range step.Changes {
			fmt.Fprintf(&b, "    %s\n", describe(change))
		}
		for _, ref := range step.Removes {
			fmt.Fprintf(&b, "    destroys %s with its data\n", ref)
		}
		for _, notice := range step.Notices {
			fmt.Fprintf(&b, "    note: %s\n", notice)
		}
		if step.Adopts != nil {
			for _, ref := range step.Adopts.Keeps {
				fmt.Fprintf(&b, "    keeps %s, which is there already\n", ref)
			}
		}
	}
	if b.Len() == 0 {
		b.WriteString("Nothing to do.\n")
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(&b, "Warning: %s\n", warning)
	}
	return b.String()
}

// describe puts a change on one line.
func describe(c spec.Change) string {
	var b strings.Builder
	b.WriteString(c.Object.String())
	switch {
	case c.Path == "" && c.Old == "":
		b.WriteString(": missing")
	case c.Path == "":
		b.WriteString(": unexpected")
	case c.Old == "":
		fmt.Fprintf(&b, ": %s is not set, want %s", c.Path, c.New)
	case c.New == "":
		fmt.Fprintf(&b, ": %s = %s, want it removed", c.Path, c.Old)
	default:
		fmt.Fprintf(&b, ": %s = %s, want %s", c.Path, c.Old, c.New)
	}
	if c.Manager != "" {
		fmt.Fprintf(&b, " (set by %s", c.Manager)
		if !c.When.IsZero() {
			fmt.Fprintf(&b, " at %s", c.When.UTC().Format("2006-01-02T15:04:05Z"))
		}
		b.WriteByte(')')
	}
	return b.String()
}
