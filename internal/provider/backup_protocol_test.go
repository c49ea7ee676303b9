package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
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
