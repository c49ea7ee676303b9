package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// backupIDs are those that a state lists.
func backupIDs(t *testing.T, state tftypes.Value) []string {
	t.Helper()
	var all map[string]tftypes.Value
	var list []tftypes.Value
	if err := state.As(&all); err != nil {
		t.Fatal(err)
	}
	if err := all["backups"].As(&list); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, one := range list {
		ids = append(ids, attributeOf(one, "id"))
	}
	return ids
}

// An upgrade leaves a backup, which can be restored; the node here is simulated, and backs up nothing.
func TestAccBackups(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	shop := func(version string) fields {
		return fields{"title": "Acme", "admin_email": "admin@acme.example", "wordpress_version": version}
	}
	old := a.fields(fields{"woocommerce": shop("7.0.2"), "deletion_protection": false})
	store := mustApply(t, h, nil, old)
	if ids := backupIDs(t, store.state); len(ids) > 0 {
		t.Fatalf("A new store has backups: %v", ids)
	}
	config := a.fields(fields{"woocommerce": shop("7.1.0"), "deletion_protection": false})
	store = mustApply(t, h, store, config)
	ids := backupIDs(t, store.state)
	if len(ids) != 1 {
		t.Fatalf("After an upgrade: backups %v, want one", ids)
	}

	config["restore_from"] = "20200101t000000z"
	mustSay(t, h.plan(storeType, store, config).messages, "ERROR", "is no backup of store", ids[0])
	config["restore_from"] = ids[0]
	mustSay(t, h.plan(storeType, store, config).messages, "WARNING", "Data Will Be Replaced")
	store = mustApply(t, h, store, config)
	if got := attributeOf(store.state, "restore_from"); got != ids[0] {
		t.Errorf("restore_from in state: %s", got)
	}
	store, messages := h.read(storeType, store)
	again := h.plan(storeType, store, config)
	if messages += again.messages; messages != "" || !again.state.Equal(store.state) {
		t.Errorf("after a restore there is something to do: %s", messages)
	}
	delete(config, "restore_from")
	store = mustApply(t, h, store, config)
	if _, messages := h.apply(storeType, store, nil); strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
}

// invoke runs an action and returns what it reports, then its diagnostics.
func (h *harness) invoke(name string, config fields) (progress []string, messages string) {
	h.t.Helper()
	typ := h.schema.ActionSchemas[name].Schema.ValueType()
	resp, err := h.server.InvokeAction(context.Background(), &tfprotov6.InvokeActionRequest{ActionType: name, Config: h.dynamic(value(typ, config))})
	if err != nil {
		h.t.Fatal(err)
	}
	for event := range resp.Events {
		switch e := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			progress = append(progress, e.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			messages += render(e.Diagnostics)
		}
	}
	return progress, messages
}

func TestAccBackupAction(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	const name = "storeplatform_store_backup"
	_, messages := h.invoke(name, fields{"store": a.name})
	mustSay(t, messages, "ERROR", "Not Found")
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false}))
	progress, messages := h.invoke(name, fields{"store": a.name})
	if messages != "" {
		t.Fatal(messages)
	}
	mustSay(t, strings.Join(progress, "\n"), "backup")
	if store, messages = h.read(storeType, store); messages != "" {
		t.Fatal(messages)
	}
	if ids := backupIDs(t, store.state); len(ids) != 1 {
		t.Errorf("after the action: backups %v, want one", ids)
	}
	if _, messages := h.apply(storeType, store, nil); strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
}

// A schedule that fails night after night must not go unnoticed: every refresh says so, until a backup is made.
func TestAccFailedBackupIsTold(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	store := mustApply(t, h, nil, a.fields(fields{"deletion_protection": false}))
	pods := a.cluster.Client().CoreV1().Pods("store-" + a.name)
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "backup-29391240-x7k2p", Labels: map[string]string{
			"storeplatform.io/fleet": a.fleet, "storeplatform.io/store": a.name, "storeplatform.io/phase": "backup",
		}},
		Spec: corev1.PodSpec{
			SchedulingGates: []corev1.PodSchedulingGate{{Name: "example.test/never"}}, // its end is written below
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "data", Image: "registry.example.test/data:1",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodFailed
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "data", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "error: no space left on the volume of backups\n"},
	}}}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, messages := h.read(storeType, store)
	mustSay(t, messages, "WARNING", "Latest Backup Failed", pod.Name, "no space left on the volume of backups")
	if strings.Contains(messages, "ERROR") {
		t.Error("a failed backup must not stop a plan")
	}
	if _, messages := h.invoke("storeplatform_store_backup", fields{"store": a.name}); messages != "" {
		t.Fatal(messages)
	}
	if _, messages := h.read(storeType, store); messages != "" {
		t.Errorf("after a backup: %s", messages)
	}
	mustApply(t, h, store, nil)
}

// Who plans again after an update was rolled back sees why, before it is tried once more.
func TestAccPlanSaysWhyTheLastUpdateFailed(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	chart := writeChart(t, "1.0.0")
	config := func(replicas int) fields {
		return a.fields(fields{"woocommerce": nil, "deletion_protection": false, "chart": fields{
			"source": chart, "service": "web", "values": fmt.Sprintf("replicas: %d\n", replicas),
		}})
	}
	const tooMany = 40 // for the plan's quota
	store := mustApply(t, h, nil, config(1))
	_, messages := h.apply(storeType, store, config(tooMany))
	mustSay(t, messages, "ERROR", "exceeded quota", "rolled back")
	store, messages = h.read(storeType, store)
	if messages != "" {
		t.Errorf("a refresh says: %s", messages)
	}
	mustSay(t, h.plan(storeType, store, config(tooMany)).messages, "WARNING", "Last Update Was Rolled Back", "the quota of the plan is used up")
	if messages := h.plan(storeType, store, config(1)).messages; messages != "" {
		t.Errorf("the plan of what is there says: %s", messages)
	}
	mustApply(t, h, store, nil)
}
