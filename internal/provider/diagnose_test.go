package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	store := storekit.StoreTarget("acme")
	for name, test := range map[string]struct {
		reason  string
		attempt attempt
		err     error
		summary string
		want    []string
	}{
		"not ready": {
			"the cause is what a user can act on", attempt{"create", store, 10 * time.Minute},
			&storekit.StepError{Target: store, Phase: "ready", Err: context.DeadlineExceeded, Causes: []spec.Cause{{
				Object: spec.ObjectRef{Kind: "Deployment", Name: "web"}, Message: "quota exceeded", Evidence: "limits.memory", Log: "starting\nno memory left", Fix: "Raise memory on the plan.",
			}}},
			"Store Not Ready", []string{`store "acme" (namespace store-acme)`, "10m0s", "timeouts.create", "Deployment/web: quota exceeded (limits.memory)", "\n    | starting\n    | no memory left\n", "Raise memory", "it resumes"},
		},
		"step without cause": {
			"the error itself then", attempt{verb: "update", target: store}, &storekit.StepError{Target: store, Phase: "guardrails", Err: errors.New("boom")},
			"Store Guardrails Not Applied", []string{"boom", "it resumes"},
		},
		"foreign namespace": {
			"ready to paste", attempt{verb: "create", target: store}, fmt.Errorf("namespace: %w", storekit.ErrNotOwned),
			"Namespace Not Owned", []string{"import {", `id = "acme"`, "adopt_existing = true", "another name"},
		},
		"domain of a foreign store": {
			"a domain adopts nothing, and no import helps", attempt{verb: "create", target: storekit.DomainTarget("a.example.com")}, fmt.Errorf("store acme: %w", storekit.ErrNotOwned),
			"Domain Not Owned", []string{`domain "a.example.com"`, "apply the store first", "that fleet"},
		},
		"protected": {
			"every way out", attempt{verb: "delete", target: store}, &storekit.StepError{Phase: "delete", Err: storekit.ErrProtected},
			"Store Is Protected", []string{"terraform untaint storeplatform_store.NAME", "terraform state rm", "deletion_protection = false", "data_retention"},
		},
		"claimed host":       {"whose it is", attempt{verb: "create", target: storekit.DomainTarget("a.example.com")}, fmt.Errorf("store %q: %w", "other", storekit.ErrHostClaimed), "Host Claimed by Another Store", []string{`"other"`, "one store at a time"}},
		"plan in use":        {"how to rename it", attempt{verb: "delete", target: storekit.PlanTarget("gold")}, fmt.Errorf("store acme: %w", storekit.ErrInUse), "Plan in Use", []string{"create_before_destroy"}},
		"stale":              {"nothing was overwritten", attempt{verb: "update", target: store}, storekit.ErrPreviewStale, "Cluster Changed Meanwhile", []string{"again"}},
		"refused":            {"which address", attempt{verb: "read", target: store}, fmt.Errorf("x: %w", &kube.ConnectionError{Server: "https://192.0.2.1", Reason: kube.Unreachable, Fix: "Check host", Err: errors.New("connection refused")}), "Cluster Unreachable", []string{"https://192.0.2.1", "connection refused", "Check host.", "State was kept"}},
		"401":                {"whose credentials", attempt{verb: "read", target: store}, &kube.ConnectionError{Reason: kube.Unauthorized, Err: errors.New("401")}, "Cluster Refuses the Credentials", nil},
		"403":                {"which right", attempt{verb: "read", target: store}, &kube.ConnectionError{Reason: kube.Forbidden, Err: errors.New("403")}, "Cluster Forbids It", nil},
		"certificate":        {"which certificate", attempt{verb: "read", target: store}, &kube.ConnectionError{Reason: kube.BadTLS, Err: errors.New("x509")}, "Cluster Certificate Not Trusted", []string{"x509"}},
		"still not ready":    {"what the last try said, and how to wait longer", attempt{verb: "reach", timeout: 5 * time.Minute}, &storekit.NotReadyError{Server: "https://192.0.2.1", Cause: &kube.ConnectionError{Reason: kube.Unreachable, Fix: "Check host", Err: errors.New("connection refused")}}, "Cluster Not Ready", []string{"Tried to reach the cluster", "https://192.0.2.1", "5m0s (timeouts.connect", "last: connection refused", "Check host.", "apply again"}},
		"interrupted":        {"Ctrl-C loses nothing", attempt{verb: "create", target: store}, &storekit.StepError{Phase: "ready", Err: context.Canceled}, "Interrupted", []string{"it resumes"}},
		"connection in step": {"the connection is the cause", attempt{verb: "create", target: store}, &storekit.StepError{Phase: "release", Err: &kube.ConnectionError{Reason: kube.Unreachable, Err: errors.New("EOF")}}, "Cluster Unreachable", []string{"EOF"}},
		"not found":          {"where to look", attempt{verb: "import", target: store}, storekit.ErrNotFound, "Store Not Found", []string{"fleet of the provider"}},
		"anything else":      {"still four parts", attempt{verb: "delete", target: store}, errors.New("boom"), "Store Not Deleted", []string{"Tried to delete", "boom"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.attempt.diagnose(test.err)
			if len(got) != 1 {
				t.Fatalf("%d diagnostics: %v", len(got), got)
			}
			if got[0].Summary() != test.summary {
				t.Errorf("summary %q, want %q", got[0].Summary(), test.summary)
			}
			for _, part := range test.want {
				if !strings.Contains(got[0].Detail(), part) {
					t.Errorf("%s: the detail does not say %q:\n%s", test.reason, part, got[0].Detail())
				}
			}
		})
	}
	if got := (attempt{}).diagnose(nil); len(got) > 0 {
		t.Errorf("no error gave %v", got)
	}
}

func TestFieldErrorsAreOnTheirAttribute(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("store: %w", spec.FieldErrors{
		{Path: "woocommerce.smtp.port", Allowed: "must be a port"}, {Path: "name", Value: "A", Allowed: "must be a DNS label"},
	})
	got := attempt{verb: "plan", target: storekit.StoreTarget("A")}.diagnose(err)
	want := []string{"woocommerce.smtp.port: must be a port.", `name = "A": must be a DNS label.`}
	for i, one := range got {
		if one.Detail() != want[i] {
			t.Errorf("detail %q, want %q", one.Detail(), want[i])
		}
	}
}
