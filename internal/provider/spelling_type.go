package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// meaning tells whether two spellings of a string say the same.
type meaning interface {
	comparable
	same(a, b string) bool
}

// spellingType is a string that may be spelt in several ways. State keeps the user's spelling as long as what the cluster
// says means the same.
type spellingType[M meaning] struct {
	basetypes.StringType
}

var _ basetypes.StringTypable = spellingType[quantity]{}

// Equal implements [attr.Type].
func (t spellingType[M]) Equal(o attr.Type) bool {
	_, ok := o.(spellingType[M])
	return ok
}

// String implements [attr.Type].
func (t spellingType[M]) String() string {
	var m M
	return fmt.Sprintf("%T", m)
}

// ValueFromString implements [basetypes.StringTypable].
func (t spellingType[M]) ValueFromString(_ context.Context, v basetypes.StringValue) (basetypes.StringValuable, diag.Diagnostics) {
	return spelling[M]{v}, nil
}

// ValueFromTerraform implements [attr.Type].
func (t spellingType[M]) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	value, err := t.StringType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	text, ok := value.(basetypes.StringValue)
	if !ok {
		return nil, fmt.Errorf("unexpected value type %T", value)
	}
	return spelling[M]{text}, nil
}

// ValueType implements [attr.Type].
func (t spellingType[M]) ValueType(context.Context) attr.Value { return spelling[M]{} }

// spelling is a value of a [spellingType].
type spelling[M meaning] struct {
	basetypes.StringValue
}

var _ basetypes.StringValuableWithSemanticEquals = spelling[quantity]{}

// spell makes a known value; empty text is null.
func spell[M meaning](text string) spelling[M] { return spelling[M]{optionalString(text)} }

// Type implements [attr.Value].
func (v spelling[M]) Type(context.Context) attr.Type { return spellingType[M]{} }

// Equal implements [attr.Value].
func (v spelling[M]) Equal(o attr.Value) bool {
	other, ok := o.(spelling[M])
	return ok && v.StringValue.Equal(other.StringValue)
}

// StringSemanticEquals implements [basetypes.StringValuableWithSemanticEquals].
func (v spelling[M]) StringSemanticEquals(_ context.Context, o basetypes.StringValuable) (bool, diag.Diagnostics) {
	other, ok := o.(spelling[M])
	return ok && v.means(other.ValueString()), nil
}

func (v spelling[M]) means(text string) bool {
	var m M
	return v.ValueString() == text || m.same(v.ValueString(), text)
}

// keepSpelling plans the value of the state when the configuration only spells it differently: the framework compares
// meanings at refresh and after apply, not at plan.
type keepSpelling[M meaning] struct{}

// Description implements [planmodifier.String].
func (keepSpelling[M]) Description(context.Context) string {
	return "Another spelling of the same value is no change."
}

// MarkdownDescription implements [planmodifier.String].
func (k keepSpelling[M]) MarkdownDescription(ctx context.Context) string { return k.Description(ctx) }

// PlanModifyString implements [planmodifier.String].
func (keepSpelling[M]) PlanModifyString(_ context.Context, req planmodifier.StringRequest, resp *planmodifier.StringResponse) {
	if req.StateValue.IsNull() || req.PlanValue.IsNull() || req.PlanValue.IsUnknown() {
		return
	}
	if (spelling[M]{req.StateValue}).means(req.PlanValue.ValueString()) {
		resp.PlanValue = req.StateValue
	}
}
