package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// attempt is what was tried, on which object: the first half of every error message.
type attempt struct {
	verb    string // "create", "read", "update", "delete", "plan", "import", "reach", "back up"
	target  storekit.Target
	timeout time.Duration // zero where none applies
}

// object names the target for people.
func (a attempt) object() string {
	switch a.target.Kind {
	case storekit.TargetStore:
		return fmt.Sprintf("store %q (namespace %s)", a.target.Name, spec.NamespaceOf(a.target.Name))
	case storekit.TargetPlan, storekit.TargetDomain:
		return fmt.Sprintf("%s %q", a.target.Kind, a.target.Name)
	default:
		return "the cluster"
	}
}

// address is how the target is written in a Terraform configuration, as far as that can be known.
func (a attempt) address() string { return "storeplatform_" + string(a.target.Kind) + ".NAME" }

func (a attempt) tried() string { return "Tried to " + a.verb + " " + a.object() + "." }

// diagnose turns an error of storekit into diagnostics: what was tried, on which object, what came back, what to do next.
func (a attempt) diagnose(err error) diag.Diagnostics {
	var diags diag.Diagnostics
	var notReady *storekit.NotReadyError
	var connection *storekit.ConnectionError
	var step *storekit.StepError
	var locked *storekit.LockedError
	switch fields := spec.FieldErrorsOf(err); {
	case err == nil:
	case len(fields) > 0:
		fieldErrors(fields, &diags)
	case errors.Is(err, storekit.ErrNotOwned):
		a.notOwned(err, &diags)
	case errors.Is(err, storekit.ErrProtected):
		a.protected(&diags)
	case errors.Is(err, storekit.ErrHostClaimed):
		diags.AddError("Host Claimed by Another Store", fmt.Sprintf("%s It came back: %v.\nA host belongs to one store at a time in the whole cluster. Remove it there first, or choose another host.", a.tried(), err))
	case errors.Is(err, storekit.ErrInUse):
		a.inUse(err, &diags)
	case errors.As(err, &locked):
		diags.AddError("Store Is Locked", fmt.Sprintf("%s Somebody else works on it: %s, since %s.\nNothing was changed. Wait until that is done, then apply again. If that process is dead, apply again all the same: the next apply takes its lock over when it has seen no sign of life for %s.",
			a.tried(), locked.Holder, locked.Since.UTC().Format(time.RFC3339), locked.Expires))
	case errors.Is(err, storekit.ErrPreviewStale):
		diags.AddError("Cluster Changed Meanwhile", fmt.Sprintf("%s It came back: %v.\nSomebody else changed it between reading and writing. Nothing was overwritten: plan and apply again.", a.tried(), err))
	case errors.As(err, &notReady):
		a.notReady(notReady, &diags)
	case errors.As(err, &connection):
		a.connection(connection, &diags)
	case errors.Is(err, context.Canceled):
		diags.AddError("Interrupted", fmt.Sprintf("%s It was interrupted: %v.\nWhat was done so far is on record in the cluster. Apply again: it resumes.", a.tried(), err))
	case errors.As(err, &step):
		a.step(step, err, &diags)
	case errors.Is(err, storekit.ErrNotFound):
		diags.AddError(title(a.target.Kind)+" Not Found", fmt.Sprintf("%s It came back: %v.\nCheck its name, the fleet of the provider and the cluster that it points to.", a.tried(), err))
	default:
		diags.AddError(title(a.target.Kind)+" Not "+a.participle(), fmt.Sprintf("%s It came back: %v.\nNothing was removed from state. Repair the cause and run it again.", a.tried(), err))
	}
	return diags
}

func (a attempt) participle() string {
	switch a.verb {
	case "read":
		return "Read"
	case "plan":
		return "Planned"
	case "import":
		return "Imported"
	case "back up":
		return "Backed Up"
	default:
		return strings.ToUpper(a.verb[:1]) + strings.TrimSuffix(a.verb[1:], "e") + "ed"
	}
}

func title(kind storekit.TargetKind) string {
	if kind == "" {
		return "Cluster"
	}
	return strings.ToUpper(string(kind[:1])) + string(kind[1:])
}

func (a attempt) connection(err *storekit.ConnectionError, diags *diag.Diagnostics) {
	summary := map[kube.Reason]string{
		kube.Unreachable:  "Cluster Unreachable",
		kube.BadAddress:   "Cluster Address Not Usable",
		kube.BadTLS:       "Cluster Certificate Not Trusted",
		kube.Unauthorized: "Cluster Refuses the Credentials",
		kube.Forbidden:    "Cluster Forbids It",
	}[err.Reason]
	if summary == "" {
		summary = "Cluster Not Usable"
	}
	diags.AddError(summary, fmt.Sprintf("%s The API server at %s gave no usable answer: %v.\n%s State was kept as it is.", a.tried(), err.Server, err.Err, sentence(err.Fix)))
}

func (a attempt) notReady(err *storekit.NotReadyError, diags *diag.Diagnostics) {
	cause, fix := err.Cause, "See on the cluster why it does not become ready."
	var connection *storekit.ConnectionError
	if errors.As(err.Cause, &connection) {
		cause, fix = connection.Err, sentence(connection.Fix)
	}
	diags.AddError("Cluster Not Ready", fmt.Sprintf("%s The API server at %s was not ready in %s (timeouts.connect of the provider), last: %v.\n"+
		"%s If it only boots slowly, raise timeouts.connect. Then apply again. Nothing was changed; state was kept as it is.", a.tried(), err.Server, a.timeout, cause, fix))
}

// sentenceStart begins text with a capital letter.
func sentenceStart(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// sentence ends text with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

func (a attempt) notOwned(err error, diags *diag.Diagnostics) {
	if a.target.Kind == storekit.TargetPlan || a.target.Kind == storekit.TargetDomain {
		diags.AddError(title(a.target.Kind)+" Not Owned", fmt.Sprintf(`%s It came back: %v.
Nothing was changed. What to do depends on what is not owned:
  - Its store is one of another fleet: use the provider configuration of that fleet.
  - Its store has a namespace that nobody manages: apply the store first. With adopt_existing = true it takes the namespace over.
  - It belongs to another fleet itself: leave it to that, or choose another name.`, a.tried(), err))
		return
	}
	diags.AddError("Namespace Not Owned", fmt.Sprintf(`%s It came back: %v.
Nothing was changed. What to do depends on whose it is:
  - It is a store of this fleet that this state does not know: import it.

      import {
        to = %s
        id = %q
      }

  - It is a namespace that nobody manages and this store shall take over: set adopt_existing = true. What it holds then stays when the store goes.
  - It belongs to somebody else, or to another fleet: choose another name, or the provider configuration of that fleet.`, a.tried(), err, a.address(), a.target.Name))
}

// protected tells every way out. It says the same whether a plan or Delete found it.
func (a attempt) protected(diags *diag.Diagnostics) {
	name := a.target.Name
	diags.AddError("Store Is Protected", fmt.Sprintf(`%s It is protected (deletion_protection = true), so nothing was touched.
  - To keep it where it is tainted or was to be replaced: terraform untaint %[2]s, or leave out -replace, and apply again.
  - To stop managing it without deleting it: terraform state rm %[2]s, or a removed block with lifecycle { destroy = false }.
  - To delete store %[3]q: set deletion_protection = false, apply, then delete it. data_retention decides what becomes of its volumes.`, a.tried(), a.address(), name))
}

func (a attempt) inUse(err error, diags *diag.Diagnostics) {
	fix := "Remove what uses it first."
	if a.target.Kind == storekit.TargetPlan {
		fix = "Move those stores to another plan first. To rename a plan, add lifecycle { create_before_destroy = true } to it: its stores then move before the old one goes."
	}
	diags.AddError(title(a.target.Kind)+" in Use", fmt.Sprintf("%s It came back: %v.\n%s", a.tried(), err, fix))
}

var phaseSummaries = map[string]string{
	"validate":   "Not Valid",
	"ownership":  "Not Owned",
	"guardrails": "Guardrails Not Applied",
	"rotate":     "Passwords Not Rotated",
	"backup":     "Not Backed Up",
	"release":    "Release Failed",
	"restore":    "Not Restored",
	"ready":      "Not Ready",
	"check":      "Does Not Answer",
	"expose":     "Not Exposed",
	"record":     "Record Not Written",
	"delete":     "Not Deleted",
}

func (a attempt) step(err *storekit.StepError, all error, diags *diag.Diagnostics) {
	summary, ok := phaseSummaries[err.Phase]
	if !ok {
		summary = "Not " + a.participle()
	}
	var undone *storekit.UndoneError
	if errors.As(all, &undone) {
		all = undone.Err
	}
	var b strings.Builder
	b.WriteString(a.tried())
	switch {
	case errors.Is(err, context.DeadlineExceeded) && a.timeout > 0:
		fmt.Fprintf(&b, " The step %q was not done in %s (timeouts.%s).", err.Phase, a.timeout, a.verb)
	case len(err.Causes) == 0:
		fmt.Fprintf(&b, " It came back: %v.", all)
	default:
		fmt.Fprintf(&b, " The step %q failed: %v.", err.Phase, err.Err)
	}
	for _, cause := range err.Causes {
		fmt.Fprintf(&b, "\n  %s: %s", cause.Object, cause.Message)
		if cause.Evidence != "" {
			fmt.Fprintf(&b, " (%s)", cause.Evidence)
		}
		for line := range strings.Lines(cause.Log) {
			fmt.Fprintf(&b, "\n    | %s", strings.TrimRight(line, "\r\n"))
		}
		if cause.Fix != "" {
			fmt.Fprintf(&b, "\n    %s", cause.Fix)
		}
	}
	switch {
	case undone != nil:
		fmt.Fprintf(&b, "\nThe %s (on_failure). Repair the cause and apply again.", undone.Undone)
	case a.verb == "create", a.verb == "update":
		b.WriteString("\nWhat was done so far is kept. Repair the cause and apply again: it resumes.")
	case a.verb == "delete":
		b.WriteString("\nWhat is left is still in state. Repair the cause and destroy again: it goes on.")
	}
	diags.AddError(title(a.target.Kind)+" "+summary, b.String())
}

// fieldErrors puts every wrong field on its attribute.
func fieldErrors(errs spec.FieldErrors, diags *diag.Diagnostics) {
	for _, one := range errs {
		if one.Path == "engine" {
			diags.AddError("Invalid Engine", sentence("This store is not valid: "+one.Allowed))
			continue
		}
		invalid(attributePath(one.Path), one.Value, one.Allowed, diags)
	}
}

// invalid reports a wrong value: attribute, value, what is allowed.
func invalid(at path.Path, value, allowed string, diags *diag.Diagnostics) {
	text := at.String()
	if value != "" {
		text += fmt.Sprintf(" = %q", value)
	}
	diags.AddAttributeError(at, "Invalid Attribute Value", sentence(text+": "+allowed))
}

// attributePath is the path of dotted names.
func attributePath(dotted string) path.Path {
	names := strings.Split(dotted, ".")
	at := path.Root(names[0])
	for _, name := range names[1:] {
		at = at.AtName(name)
	}
	return at
}
