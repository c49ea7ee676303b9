package storekit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// storageClass makes a class of this test's own, whose volumes are bound at once.
func (h *harness) storageClass(t *testing.T, expands bool) string {
	t.Helper()
	mode := storagev1.VolumeBindingImmediate
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: h.name}, Provisioner: "rancher.io/local-path", AllowVolumeExpansion: &expands, VolumeBindingMode: &mode,
	}
	classes := h.cluster.Client().StorageV1().StorageClasses()
	if _, err := classes.Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := classes.Delete(context.Background(), h.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return h.name
}

// warned tells whether one of the warnings says all the parts.
func warned(warnings []string, parts ...string) bool {
	return slices.ContainsFunc(warnings, func(text string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
	})
}

const (
	contentClaim = "PersistentVolumeClaim/content"
	sizeOfClaim  = "spec.resources.requests.storage"
)

// Somebody makes a volume larger while the disk is full. Kubernetes lets nobody make it smaller again: that is told, and in the way of
// nothing but of what would have to send the claim.
func TestDriftThatCannotBeSetBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("grown")
	s.Storage = spec.Storage{Class: h.storageClass(t, true), Content: "5Gi", Database: "5Gi"}
	h.up(t, program(s))
	e := h.editor(t, s)
	if err := e.patch("PersistentVolumeClaim", "content", `{"spec":{"resources":{"requests":{"storage":"10Gi"}}}}`)(t.Context()); err != nil {
		t.Fatal(err)
	}
	words := []string{contentClaim, "less than"}

	state, err := h.fleet.Get(t.Context(), s.Name)
	if err != nil {
		t.Fatalf("it cannot be read: %v", err)
	}
	if diff := cmp.Diff([]string{contentClaim + " " + sizeOfClaim}, changed(state.Drift)); diff != "" {
		t.Errorf("drift (-want +got)\n%s", diff)
	}
	if !strings.Contains(state.Objects[contentClaim], "10Gi, want 5Gi (set by kubectl-edit") || !warned(state.Warnings, words...) {
		t.Errorf("state says %q, and warns %v", state.Objects[contentClaim], state.Warnings)
	}
	preview := h.preview(t, program(s))
	if !preview.Empty() || len(preview.Steps[0].Changes) != 1 || !warned(preview.Warnings, words...) {
		t.Errorf("want the change shown, and nothing done: %v, warnings %v", preview.Steps[0], preview.Warnings)
	}

	// What else differs is repaired.
	if err := e.patch("ResourceQuota", "services", `{"spec":{"hard":{"limits.cpu":"64"}}}`)(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.up(t, program(s))
	if left := h.preview(t, program(s)); !left.Empty() || len(left.Steps[0].Changes) != 1 || !warned(left.Warnings, words...) {
		t.Errorf("after the repair: %v, warnings %v", left.Steps[0], left.Warnings)
	}

	titled := withEngine(s, func(engine *spec.WooCommerce) { engine.Title = "Other" })
	if _, err := h.fleet.Preview(t.Context(), program(titled)); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "ignore_drift") {
		t.Errorf("an upgrade sends the claim, and must be refused before: %v", err)
	}
	smaller := s
	smaller.Storage.Content = "4Gi"
	if _, err := h.fleet.Preview(t.Context(), program(smaller)); !apierrors.IsInvalid(err) {
		t.Errorf("a wish that is refused is an error: %v", err)
	}

	ignoring := titled
	ignoring.Ignore = []string{contentClaim + ": " + sizeOfClaim}
	h.up(t, program(ignoring))
	if again := h.preview(t, program(ignoring)); !again.Empty() || len(again.Warnings) > 0 || len(again.Steps[0].Changes) > 0 {
		t.Errorf("what is left to others is told:\n%s", again)
	}
	if state := h.get(t, s); len(state.Drift) > 0 || len(state.Warnings) > 0 {
		t.Errorf("what is left to others is drift: %v, warnings %v", state.Drift, state.Warnings)
	}

	larger := s
	larger.Storage.Content = "10Gi"
	h.up(t, program(larger))
	if again := h.preview(t, program(larger)); !again.Empty() || len(again.Warnings) > 0 || len(again.Steps[0].Changes) > 0 {
		t.Errorf("the configuration says what is there, and it is not enough:\n%s", again)
	}
	if _, err := h.fleet.Destroy(t.Context(), storekit.Only(storekit.StoreTarget(s.Name)), storekit.Timeout(time.Minute)); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

// A volume that an update has made larger stays so when the update is undone.
func TestUndoneUpdateLeavesGrownVolumes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	claim := func(size string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"+
			"spec: {storageClassName: %s, accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}\n", h.name, size)
	}
	h.storageClass(t, true)
	good := h.failing(t, "volume", deployment(1, "", wellImage)+claim("1Gi"))
	h.up(t, program(good))
	bad := good
	bad.Engine = h.failing(t, "volume", refused+claim("2Gi")).Engine
	var undone *storekit.UndoneError
	if _, err := h.tryUp(t.Context(), program(bad)); !errors.As(err, &undone) {
		t.Fatalf("want it undone, got %v", err)
	}
	if got := h.image(t, good); got != "registry.example.com/web:1" {
		t.Errorf("image: %s", got)
	}
	state := h.get(t, good)
	if diff := cmp.Diff([]string{"PersistentVolumeClaim/data " + sizeOfClaim}, changed(state.Drift)); diff != "" || !state.Complete {
		t.Errorf("complete %t, drift (-want +got)\n%s", state.Complete, diff)
	}
	if !warned(state.Warnings, "PersistentVolumeClaim/data", "less than") {
		t.Errorf("warnings: %v", state.Warnings)
	}
	next := good
	next.Engine = h.failing(t, "volume", deployment(1, "", wellImage)+claim("2Gi")).Engine
	h.up(t, program(next))
	if again := h.preview(t, program(next)); !again.Empty() || len(again.Warnings) > 0 {
		t.Errorf("not empty:\n%s", again)
	}
}

// Admission refuses with the code of missing rights. The words are the server's, and so is the remedy.
func TestRefusalOfAdmission(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("stiff")
	s.Storage = spec.Storage{Class: h.storageClass(t, false), Content: "5Gi", Database: "5Gi"}
	h.up(t, program(s))
	s.Storage.Content = "10Gi"
	_, err := h.fleet.Preview(t.Context(), program(s))
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), contentClaim) || !strings.Contains(err.Error(), "must support resize") {
		t.Errorf("want the refusal in the preview, got %v", err)
	}

	// Under an account without rights nobody knows.
	reader := h.connect(t, h.cluster.User(t, "reader", readers(t)))
	preview, err := reader.Preview(t.Context(), program(s))
	if err != nil || !warned(preview.Warnings, "dry runs are forbidden to this account") {
		t.Errorf("reader: %v, %v", preview, err)
	}

	// Quota is what the plan says by the time of the release.
	wider := s
	wider.Plan = "premium"
	preview = h.preview(t, program(wider))
	if !warned(preview.Warnings, contentClaim, "must support resize") || warned(preview.Warnings, "dry runs are forbidden") {
		t.Errorf("warnings: %v", preview.Warnings)
	}
}

// What a policy of the cluster lets nobody set back is shown, and said to be refused: that is no lack of rights.
func TestDriftThatAdmissionKeeps(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("policed")
	p := program(s)
	p.AddDomain(spec.Domain{Store: s.Name, Host: "d-" + s.Host})
	h.up(t, p)
	e := h.editor(t, s)
	domain, err := h.fleet.Domain(t.Context(), "d-"+s.Host)
	if err != nil {
		t.Fatal(err)
	}
	for _, tamper := range []edit{
		e.patch("NetworkPolicy", "dns", `[{"op":"add","path":"/spec/egress/-","value":{}}]`),
		e.patch("Ingress", domain.Ingress, `[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"evil"}]`),
	} {
		if err := tamper(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.forbidUpdates(t, s, "networking.k8s.io", "networkpolicies", "ingresses")

	state := h.get(t, s)
	if diff := cmp.Diff([]string{"NetworkPolicy/dns spec.egress[1]"}, changed(state.Drift)); diff != "" {
		t.Errorf("drift (-want +got)\n%s", diff)
	}
	if !warned(state.Warnings, "NetworkPolicy/dns", "not today") {
		t.Errorf("warnings: %v", state.Warnings)
	}
	preview := h.preview(t, p)
	var shown []string
	for _, step := range preview.Steps {
		shown = append(shown, changed(step.Changes)...)
	}
	if len(shown) != 2 || !preview.Empty() {
		t.Errorf("want both changes shown, and nothing done: %v\n%s", shown, preview)
	}
	if !warned(preview.Warnings, "NetworkPolicy/dns", "not today") || !warned(preview.Warnings, "the Ingress of domain", "not today") ||
		warned(preview.Warnings, "dry runs are forbidden") {
		t.Errorf("warnings: %v", preview.Warnings)
	}
}

// forbidUpdates makes admission refuse changes of some resources of a store, and returns when it does.
func (h *harness) forbidUpdates(t *testing.T, s spec.Store, group string, resources ...string) {
	t.Helper()
	fail, forbidden := admissionv1.Fail, metav1.StatusReasonForbidden
	client := h.cluster.Client()
	policies := client.AdmissionregistrationV1()
	meta := metav1.ObjectMeta{Name: h.name}
	if _, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: meta,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.Namespace()}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: resources},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "not today", Reason: &forbidden}},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(
			policies.ValidatingAdmissionPolicyBindings().Delete(context.Background(), h.name, metav1.DeleteOptions{}),
			policies.ValidatingAdmissionPolicies().Delete(context.Background(), h.name, metav1.DeleteOptions{}),
		); err != nil {
			t.Error(err)
		}
	})
	if _, err := policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: h.name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Nothing tells when admission has read a new policy.
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		patch, dry := []byte(`{"metadata":{"annotations":{"example.com/probe":"x"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
		_, err := client.NetworkingV1().NetworkPolicies(s.Namespace()).Patch(ctx, "dns", types.MergePatchType, patch, dry)
		if apierrors.IsForbidden(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
