package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

const (
	planType   = "storeplatform_plan"
	domainType = "storeplatform_domain"
)

// identityType is the type of the identity of a resource.
func (h *harness) identityType(typeName string) tftypes.Type {
	h.t.Helper()
	schemas, err := h.server.GetResourceIdentitySchemas(context.Background(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return schemas.IdentitySchemas[typeName].ValueType()
}

// TestAccImportByIdentityIsImportByID imports everything both ways: what comes of it must be the same.
func TestAccImportByIdentityIsImportByID(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	maker := a.onCluster(t)
	host := "d-" + a.name + ".acme.example"
	made := make(map[string]*object)
	configs := map[string]fields{
		planType:   {"name": "gold", "cpu": "3", "jobs": fields{"pods": 6}},
		storeType:  a.fields(fields{"deletion_protection": false, "egress": "none", "storage": fields{"content": "6Gi"}}),
		domainType: {"store": a.name, "host": host},
	}
	for _, typeName := range []string{planType, storeType, domainType} {
		var messages string
		if made[typeName], messages = maker.apply(typeName, nil, configs[typeName]); strings.Contains(messages, "ERROR") {
			t.Fatalf("make %s: %s", typeName, messages)
		}
	}
	h := a.onCluster(t) // it has written nothing, so it reads the cluster once

	for typeName, test := range map[string]struct {
		reason string
		key    string
		id     string
	}{
		planType:   {"a plan is known by its name", "name", "gold"},
		storeType:  {"a store is known by its name", "name", a.name},
		domainType: {"a domain is known by its host", "host", host},
	} {
		t.Run(typeName, func(t *testing.T) {
			h := &harness{t: t, server: h.server, schema: h.schema}
			byID, messages := h.importBy(&tfprotov6.ImportResourceStateRequest{TypeName: typeName, ID: test.id})
			if byID == nil || strings.Contains(messages, "ERROR") {
				t.Fatalf("%s: import by id: %s", test.reason, messages)
			}
			for name, identity := range map[string]fields{"key": {test.key: test.id}, "key and fleet": {test.key: test.id, "fleet": a.fleet}} {
				byIdentity, messages := h.importByIdentity(typeName, identity)
				if byIdentity == nil || strings.Contains(messages, "ERROR") {
					t.Fatalf("%s: import by %s: %s", test.reason, name, messages)
				}
				if differences, _ := byID.state.Diff(byIdentity.state); len(differences) > 0 {
					t.Errorf("%s: import by %s gives another state than by id: %v", test.reason, name, differences)
				}
				for _, one := range []*object{byID, byIdentity} {
					got, err := one.identity.IdentityData.Unmarshal(h.identityType(typeName))
					if err != nil {
						t.Fatal(err)
					}
					if attributeOf(got, test.key) != test.id || attributeOf(got, "fleet") != a.fleet {
						t.Errorf("%s: identity %s", test.reason, got)
					}
				}
				if plan := h.plan(typeName, byIdentity, configs[typeName]); !plan.state.Equal(byIdentity.state) {
					t.Errorf("%s: the plan after the import by %s is not empty: %s", test.reason, name, plan.messages)
				}
			}
			for name, refused := range map[string]struct {
				identity fields
				says     []string
			}{
				"another fleet": {fields{test.key: test.id, "fleet": "other"}, []string{"ERROR", "Another Fleet", `"other"`, a.fleet}},
				"no key":        {fields{"fleet": a.fleet}, []string{"ERROR", "Nothing to Import", test.key}},
				"gone":          {fields{test.key: "none-" + test.id}, []string{"ERROR", "Not Found", "none-" + test.id}},
			} {
				imported, messages := h.importByIdentity(typeName, refused.identity)
				mustSay(t, messages, refused.says...)
				if imported != nil {
					t.Errorf("%s: an import of %s gave something", test.reason, name)
				}
			}
		})
	}
	for _, typeName := range []string{domainType, storeType, planType} {
		if _, messages := maker.apply(typeName, made[typeName], nil); strings.Contains(messages, "ERROR") {
			t.Errorf("delete %s: %s", typeName, messages)
		}
	}
}
