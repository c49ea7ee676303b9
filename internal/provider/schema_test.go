package provider

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// secretName matches names of attributes whose values give access to something.
var secretName = regexp.MustCompile(`(^|_)(password|token|secret|client_key|kubeconfig)(_wo)?$`)

func TestSchemaAttributes(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	schemas := map[string]*tfprotov6.Schema{"provider": h.schema.Provider}
	for name, schema := range h.schema.ResourceSchemas {
		schemas[name] = schema
	}
	for name, schema := range h.schema.DataSourceSchemas {
		schemas["data."+name] = schema
	}
	for name, schema := range h.schema.EphemeralResourceSchemas {
		schemas["ephemeral."+name] = schema
	}
	for name, schema := range h.schema.ListResourceSchemas {
		schemas["list."+name] = schema
	}
	count := 0
	var walk func(prefix string, attributes []*tfprotov6.SchemaAttribute)
	walk = func(prefix string, attributes []*tfprotov6.SchemaAttribute) {
		for _, attribute := range attributes {
			at := prefix + "." + attribute.Name
			count++
			if len(attribute.Description) < 10 || attribute.DescriptionKind != tfprotov6.StringKindMarkdown {
				t.Errorf("%s has no MarkdownDescription: users read it in the documentation", at)
			}
			if !strings.HasSuffix(attribute.Description, ".") {
				t.Errorf("%s: the description is no sentence: %q", at, attribute.Description)
			}
			if attribute.Optional && !strings.Contains(attribute.Description, "Default") && attribute.NestedType == nil &&
				!strings.Contains(attribute.Description, "Environment variable") && !strings.HasSuffix(attribute.Name, "_wo") &&
				!strings.HasSuffix(attribute.Name, "_wo_version") {
				t.Errorf("%s: the description does not tell the default: %q", at, attribute.Description)
			}
			if secretName.MatchString(attribute.Name) && !attribute.Sensitive && !attribute.WriteOnly {
				t.Errorf("%s looks like a secret and is neither sensitive nor write-only", at)
			}
			if attribute.NestedType != nil {
				walk(at, attribute.NestedType.Attributes)
			}
		}
	}
	for name, schema := range schemas {
		if schema.Block.Description == "" && name != "provider" {
			t.Errorf("%s has no description", name)
		}
		walk(name, schema.Block.Attributes)
	}
	if count < 100 {
		t.Errorf("looked at %d attributes only", count)
	}
}

func TestModelTypesMatchSchema(t *testing.T) {
	t.Parallel()
	store, plan, domain := storeSchema(t.Context()), planSchema(), domainSchema()
	typeOf := func(attribute attr.Type) attr.Type {
		switch outer := attribute.(type) {
		case types.ListType:
			return outer.ElemType
		case types.MapType:
			return outer.ElemType
		}
		return attribute
	}
	for name, one := range map[string]struct {
		schema attr.Type
		model  map[string]attr.Type
	}{
		"storage":     {store.Attributes["storage"].GetType(), storageTypes},
		"woocommerce": {store.Attributes["woocommerce"].GetType(), wooCommerceTypes},
		"medusa":      {store.Attributes["medusa"].GetType(), medusaTypes},
		"chart":       {store.Attributes["chart"].GetType(), chartTypes},
		"release":     {store.Attributes["release"].GetType(), releaseTypes},
		"jobs":        {plan.Attributes["jobs"].GetType(), jobsTypes},
		"container":   {plan.Attributes["container"].GetType(), containerTypes},
		"records":     {domain.Attributes["records"].GetType(), recordTypes},
	} {
		if got := typeOf(one.schema); !got.Equal(types.ObjectType{AttrTypes: one.model}) {
			t.Errorf("%s: the schema has %s, the model %s", name, got, types.ObjectType{AttrTypes: one.model})
		}
	}
}

func TestManifestNamesTheServedProtocol(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../terraform-registry-manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Version  int `json:"version"`
		Metadata struct {
			ProtocolVersions []string `json:"protocol_versions"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"6.0"}, manifest.Metadata.ProtocolVersions); diff != "" {
		t.Errorf("terraform-registry-manifest.json names another protocol than the one that is served (-want +got):\n%s", diff)
	}
	if served, err := os.ReadFile("../../main.go"); err != nil || !strings.Contains(string(served), "tf6server.Serve(") {
		t.Errorf("main.go does not serve protocol 6 (%v)", err)
	}
}
