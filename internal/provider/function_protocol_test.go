package provider

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// call calls a function. The provider needs no configuration for it.
func (h *harness) call(name string, arguments ...any) (tftypes.Value, *tfprotov6.FunctionError) {
	h.t.Helper()
	signature := h.schema.Functions[name]
	req := &tfprotov6.CallFunctionRequest{Name: name}
	for i, argument := range arguments {
		req.Arguments = append(req.Arguments, h.dynamic(value(signature.Parameters[i].Type, argument)))
	}
	resp, err := h.server.CallFunction(h.t.Context(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.Error != nil {
		return tftypes.Value{}, resp.Error
	}
	result, err := resp.Result.Unmarshal(signature.Return.Type)
	if err != nil {
		h.t.Fatal(err)
	}
	return result, nil
}

// plain turns a known value into what JSON has.
func plain(v tftypes.Value) any {
	switch {
	case v.IsNull():
		return nil
	case v.Type().Is(tftypes.Bool):
		var truth bool
		must(v.As(&truth))
		return truth
	case v.Type().Is(tftypes.List{}):
		var items []tftypes.Value
		must(v.As(&items))
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = plain(item)
		}
		return out
	case v.Type().Is(tftypes.String):
		var text string
		must(v.As(&text))
		return text
	case v.Type().Is(tftypes.Number):
		var number big.Float
		must(v.As(&number))
		out, _ := number.Float64()
		return out
	default:
		var inner map[string]tftypes.Value
		must(v.As(&inner))
		out := make(map[string]any)
		for name, one := range inner {
			out[name] = plain(one)
		}
		return out
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	gold := string(spec.Plan{Name: "gold", CPU: "2500m", Memory: "6Gi"}.Ref())
	for name, test := range map[string]struct {
		reason    string
		function  string
		arguments []any
		want      any
	}{
		"IPv4": {"one label for the address", "nip_io_host", []any{"acme", "203.0.113.10"}, "acme.203-0-113-10.nip.io"},
		"IPv6": {"the service knows it too", "nip_io_host", []any{"acme", "2001:db8::10"}, "acme.2001-0db8-0000-0000-0000-0000-0000-0010.nip.io"},
		"stores": {"mixed plans, fractions of a core, and numbers for comparisons", "plan_capacity", []any{[]any{"basic", "basic", gold}}, fields{
			"cpu": "8700m", "memory": "13Gi", "storage": "90Gi", "pods": 41.0, "cpu_cores": 8.7, "memory_bytes": float64(13 << 30), "storage_bytes": float64(90 << 30),
		}},
		"none": {"a fleet that is empty yet", "plan_capacity", []any{[]any{}}, fields{
			"cpu": "0", "memory": "0", "storage": "0", "pods": 0.0, "cpu_cores": 0.0, "memory_bytes": 0.0, "storage_bytes": 0.0,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, failed := h.call(test.function, test.arguments...)
			if failed != nil {
				t.Fatalf("%s: %s", test.reason, failed.Text)
			}
			if diff := cmp.Diff(test.want, plain(got)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.reason, diff)
			}
		})
	}
}

func TestFunctionsNameTheWrongArgument(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for name, test := range map[string]struct {
		reason    string
		function  string
		arguments []any
		argument  int64
		says      []string
	}{
		"address":  {"an output that is no address", "nip_io_host", []any{"acme", "vps.example.com"}, 1, []string{"address", "vps.example.com", "IPv4 or IPv6"}},
		"name":     {"one label", "nip_io_host", []any{"shop.acme", "203.0.113.10"}, 0, []string{"name", "shop.acme", "DNS label"}},
		"both":     {"mistakes surface together", "nip_io_host", []any{"A", "b"}, 0, []string{`name: "A"`, `address: "b"`}},
		"hijacked": {"nip.io would answer with 10.0.0.1", "nip_io_host", []any{"web-10-0-0-1", "203.0.113.10"}, 0, []string{"reads like an IP address"}},
		"plan":     {"which of many", "plan_capacity", []any{[]any{"basic", "huge", "gold@cpu=x"}}, 0, []string{`plans[1]: "huge"`, "basic, standard, premium", "plans[2]"}},
		"null":     {"a plan that is not set", "plan_capacity", []any{[]any{"basic", nil}}, 0, []string{"plans[1]", "must be a preset"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failed := h.call(test.function, test.arguments...)
			if failed == nil {
				t.Fatalf("%s: accepted", test.reason)
			}
			if failed.FunctionArgument == nil || *failed.FunctionArgument != test.argument {
				t.Errorf("%s: the error is on argument %v, want %d", test.reason, failed.FunctionArgument, test.argument)
			}
			for _, part := range test.says {
				if !strings.Contains(failed.Text, part) {
					t.Errorf("%s: the message does not say %q:\n%s", test.reason, part, failed.Text)
				}
			}
		})
	}
}
