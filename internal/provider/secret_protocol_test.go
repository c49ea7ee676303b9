package provider

import "testing"

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
