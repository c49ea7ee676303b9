package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestSpellings(t *testing.T) {
	t.Parallel()
	standard, _ := spec.Preset(spec.Standard)
	gold := standard
	gold.Name = "gold"
	for name, test := range map[string]struct {
		reason string
		means  func(a, b string) bool
		a, b   string
		want   bool
	}{
		"cores":          {"Kubernetes stores the canonical spelling", meansSame[quantity], "1000m", "1", true},
		"bytes":          {"Kubernetes stores the canonical spelling", meansSame[quantity], "1024Mi", "1Gi", true},
		"other amount":   {"a real change", meansSame[quantity], "1Gi", "1G", false},
		"not a quantity": {"validation speaks about it", meansSame[quantity], "x", "y", false},
		"same nonsense":  {"the same text is the same", meansSame[quantity], "x", "x", true},
		"preset":         {"a plan resource named as a preset", meansSame[planRef], "standard", string(standard.Ref()), true},
		"other name":     {"the name is a label on the namespace", meansSame[planRef], "standard", string(gold.Ref()), false},
		"unknown preset": {"validation speaks about it", meansSame[planRef], "huge", "standard", false},
		"case":           {"DNS knows no case", meansSame[host], "Shop.Example.COM", "shop.example.com", true},
		"dot":            {"a name in a zone file", meansSame[host], "shop.example.com.", "shop.example.com", true},
		"umlaut":         {"browsers send A-labels", meansSame[host], "bücher.example", "xn--bcher-kva.example", true},
		"other host":     {"a real change", meansSame[host], "a.example.com", "b.example.com", false},
		"YAML and JSON":  {"jsonencode and a heredoc", meansSame[document], `{"a": 1, "b": [true]}`, "b: [true]\na: 1\n", true},
		"comment":        {"no value changes", meansSame[document], "a: 1 # one\n", "a: 1\n", true},
		"other value":    {"a real change", meansSame[document], "a: 1", "a: '1'", false},
		"no document":    {"validation speaks about it", meansSame[document], "a: [", "a: ]", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.means(test.a, test.b); got != test.want {
				t.Errorf("%q and %q mean the same: %v; %s", test.a, test.b, got, test.reason)
			}
		})
	}
}

func meansSame[M meaning](a, b string) bool {
	same, _ := spell[M](a).StringSemanticEquals(nil, spell[M](b)) //nolint:staticcheck // no context is needed
	return same
}

func TestKeepSpelling(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason            string
		state, plan, want types.String
	}{
		"other spelling": {"no change", types.StringValue("1"), types.StringValue("1000m"), types.StringValue("1")},
		"other value":    {"a change", types.StringValue("1"), types.StringValue("2"), types.StringValue("2")},
		"create":         {"the user's spelling", types.StringNull(), types.StringValue("1000m"), types.StringValue("1000m")},
		"unknown":        {"decided at apply", types.StringValue("1"), types.StringUnknown(), types.StringUnknown()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := planmodifier.StringResponse{PlanValue: test.plan}
			keepSpelling[quantity]{}.PlanModifyString(t.Context(), planmodifier.StringRequest{StateValue: test.state, PlanValue: test.plan}, &resp)
			if !resp.PlanValue.Equal(test.want) {
				t.Errorf("planned %s, want %s: %s", resp.PlanValue, test.want, test.reason)
			}
		})
	}
}

func TestParseDocument(t *testing.T) {
	t.Parallel()
	got, err := parseDocument("replicas: 1000000\nratio: 1.5\nlist: [1, {b: 2}]\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"replicas": int64(1000000), "ratio": 1.5, "list": []any{int64(1), map[string]any{"b": int64(2)}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a template would print 1e+06 for a million (-want +got):\n%s", diff)
	}
	for name, text := range map[string]string{"list": "[1, 2]", "text": "hello", "broken": "a: [", "twice": "a: 1\na: 2"} {
		if _, err := parseDocument(text); err == nil || !strings.Contains(err.Error(), "YAML or JSON object") {
			t.Errorf("%s: accepted %q: %v", name, text, err)
		}
	}
	if got, err := parseDocument(""); err != nil || got == nil || len(got) > 0 {
		t.Errorf("an empty document is an empty object, got %v, %v", got, err)
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add("a: 1\nb: [x, {y: 1.5}]")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseDocument(text)
		if err != nil {
			return
		}
		written, err := formatDocument(values)
		if err != nil {
			t.Fatalf("cannot write back %q: %v", text, err)
		}
		if !(document{}).same(text, written) && text != "" {
			t.Errorf("%q became %q", text, written)
		}
	})
}
