package storekit_test

import (
	"net/http"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// lent returns two stores, and the id of a backup of the first.
func (h *harness) lent(t *testing.T) (from, to spec.Store, id string) {
	t.Helper()
	from, to = h.woocommerce("from"), h.woocommerce("to")
	h.up(t, program(from, to))
	result, err := h.fleet.Backup(t.Context(), from.Name)
	if err != nil {
		t.Fatal(err)
	}
	return from, to, result.Stores[from.Name].Backups[0].ID
}

// What lets a store get a backup of another one lies in the namespace of that one, which is not locked: it is no drift there.
func TestTransferIsNoDriftOfItsSource(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	from, to, id := h.lent(t)
	restored := to
	restored.RestoreFrom = from.Name + "/" + id
	only := []storekit.RunOption{storekit.Only(storekit.StoreTarget(from.Name)), storekit.NoPrune()}
	policies := h.cluster.Client().NetworkingV1().NetworkPolicies(from.Namespace())
	serves, looked := false, false
	receiver := h.connect(t, recording(h.config, func(req *http.Request) {
		if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/jobs") {
			return
		}
		if strings.Contains(req.URL.Path, "/"+from.Namespace()+"/") {
			serves = true
			return
		}
		if !serves || looked { // not a Job that gets the backup
			return
		}
		looked = true
		if _, err := policies.Get(t.Context(), "transfer-"+to.Name, metav1.GetOptions{}); err != nil {
			t.Errorf("the policy of the transfer: %v", err)
		}
		preview, err := h.fleet.Preview(t.Context(), program(from), only...)
		if err != nil || !preview.Empty() {
			t.Errorf("the store that hands out the backup has something to do (error %v):\n%s", err, preview)
		}
	}))
	if _, err := upWith(t, receiver, restored, storekit.NoPrune()); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Fatal("nobody got the backup")
	}
	if _, err := policies.Get(t.Context(), "transfer-"+to.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the policy of the transfer outlives it (error %v)", err)
	}
}

// A Job that hands out a backup belongs to the store that gets it: other work on the data leaves it alone, and what an interrupted
// transfer has left is ended by the next one.
func TestJobThatServesIsOfTheReceiver(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	from, to, _ := h.lent(t)
	cron, err := h.cluster.Client().BatchV1().CronJobs(from.Namespace()).Get(t.Context(), "backup", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	asleep := true
	cron.Spec.JobTemplate.Spec.Suspend = &asleep
	jobs := h.cluster.Client().BatchV1().Jobs(from.Namespace())
	for name, labels := range map[string]map[string]string{
		"serve-left":   {"storeplatform.io/phase": "serve", "storeplatform.io/receiver": to.Name},
		"serve-other":  {"storeplatform.io/phase": "serve", "storeplatform.io/receiver": "other"},
		"restore-left": {"storeplatform.io/phase": "restore"},
	} {
		labels["storeplatform.io/fleet"], labels["storeplatform.io/store"] = h.name, from.Name
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: cron.Spec.JobTemplate.Spec}
		if _, err := jobs.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool {
		_, err := jobs.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	result, err := h.fleet.Backup(t.Context(), from.Name)
	if err != nil {
		t.Fatal(err)
	}
	if !there("serve-left") || !there("serve-other") || there("restore-left") {
		t.Errorf("after a backup: serve-left %t, serve-other %t, restore-left %t", there("serve-left"), there("serve-other"), there("restore-left"))
	}
	to.RestoreFrom = from.Name + "/" + result.Stores[from.Name].Backups[0].ID
	h.up(t, program(from, to))
	if there("serve-left") || !there("serve-other") {
		t.Errorf("after a transfer: serve-left %t, serve-other %t", there("serve-left"), there("serve-other"))
	}
}

// What is left of a transfer whose process died is drift once its Job is gone.
func TestPolicyOfADeadTransferIsDrift(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	s := h.woocommerce("from")
	h.up(t, program(s))
	policies := h.cluster.Client().NetworkingV1().NetworkPolicies(s.Namespace())
	left := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
		Name: "transfer-to", Labels: map[string]string{"storeplatform.io/fleet": h.name, "storeplatform.io/store": s.Name},
	}}
	if _, err := policies.Create(t.Context(), left, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	h.up(t, program(s))
	if _, err := policies.Get(t.Context(), left.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("it stays for ever (error %v)", err)
	}
}
