package provider

import (
	"strings"
	"testing"
)

// A value that is another one in every run, as that of an ephemeral generator, reaches a store when its version says so.
func TestAccVersionOfASecretDecides(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	config := func(password, mail string, version int64, rotation string) fields {
		return a.fields(fields{"deletion_protection": false, "rotation": rotation, "woocommerce": fields{
			"title": "Acme", "admin_email": "admin@acme.example", "admin_password_wo": password, "admin_password_wo_version": version,
			"smtp": fields{"host": "mail.acme.example", "from": "shop@acme.example", "user": "shop", "password_wo": mail, "password_wo_version": version},
		}})
	}
	store := mustApply(t, h, nil, config("first", "mail-first", 1, "a"))
	store, _ = h.read(storeType, store)
	if got := h.plan(storeType, store, config("second", "mail-second", 1, "a")); got.messages != "" || !got.state.Equal(store.state) {
		t.Errorf("other values under the same version are a change: %s %s", got.messages, got.state)
	}

	// An update for another reason sends none either, not even one that gives new passwords where they are generated.
	store = mustApply(t, h, store, config("third", "mail-third", 1, "b"))
	a.expectSecret(t, "admin", "first")
	a.expectSecret(t, "smtp", "mail-first")

	store, _ = h.read(storeType, store)
	store = mustApply(t, h, store, config("fourth", "mail-fourth", 2, "b"))
	a.expectSecret(t, "admin", "fourth")
	a.expectSecret(t, "smtp", "mail-fourth")
	store, _ = h.read(storeType, store)
	if got := h.plan(storeType, store, config("fifth", "mail-fifth", 2, "b")); got.messages != "" || !got.state.Equal(store.state) {
		t.Errorf("the new version is not settled: %s", got.messages)
	}
	mustApply(t, h, store, nil)
}

// A write-only value that is not known yet may be another one than the store has: the plan does not say that nothing changes, nor does it
// do with none.
func TestAccUnknownSecretsArePlanned(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	h := a.onCluster(t)
	config := func(password any, version any) fields {
		return a.fields(fields{"deletion_protection": false, "woocommerce": fields{
			"title": "Acme", "admin_email": "admin@acme.example", "admin_password_wo": password, "admin_password_wo_version": version,
		}})
	}
	store := mustApply(t, h, nil, config("first", nil))
	store, _ = h.read(storeType, store)
	if got := h.plan(storeType, store, config("first", nil)); got.messages != "" || !got.state.Equal(store.state) {
		t.Fatalf("there is something to do at once: %s", got.messages)
	}
	plan := h.plan(storeType, store, config(unknown{}, nil))
	if got := attributeOf(plan.state, "objects"); got != "(unknown)" || plan.messages != "" {
		t.Errorf("a password that is not known yet is planned as none: %s, objects %s", plan.messages, got)
	}
	store, messages := h.applyPlan(storeType, store, config("second", nil), plan)
	if strings.Contains(messages, "ERROR") {
		t.Fatal(messages)
	}
	a.expectSecret(t, "admin", "second")

	// The version decides alone.
	store = mustApply(t, h, store, config("third", 1))
	store, _ = h.read(storeType, store)
	if got := h.plan(storeType, store, config(unknown{}, 1)); got.messages != "" || !got.state.Equal(store.state) {
		t.Errorf("an unknown value under the same version is a change: %s %s", got.messages, got.state)
	}
	if got := attributeOf(h.plan(storeType, store, config(unknown{}, 2)).state, "objects"); got != "(unknown)" {
		t.Errorf("an unknown value under another version is none: objects %s", got)
	}
	mustApply(t, h, store, nil)

	// Nothing answers there, and nothing must be asked with a password that is not known yet.
	engine := fields{"source": "oci://127.0.0.1:1/shop", "version": "1.0.0", "service": "web", "username": "user", "password_wo": unknown{}}
	shop := fields{"name": a.name + "-2", "owner": "team", "chart": engine}
	if got := h.plan(storeType, nil, shop); strings.Contains(got.messages, "ERROR") || attributeOf(got.state, "objects") != "(unknown)" {
		t.Errorf("chart: %s", got.messages)
	}
}
