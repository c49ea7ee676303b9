package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// optionalString is null for the empty string.
func optionalString(text string) types.String {
	if text == "" {
		return types.StringNull()
	}
	return types.StringValue(text)
}

// optionalInt is null for 0.
func optionalInt(number int) types.Int64 {
	if number == 0 {
		return types.Int64Null()
	}
	return types.Int64Value(int64(number))
}

// stringsOf returns the known strings of a list.
func stringsOf(list types.List) []string {
	var out []string
	for _, item := range list.Elements() {
		if text, ok := item.(types.String); ok && !text.IsNull() && !text.IsUnknown() {
			out = append(out, text.ValueString())
		}
	}
	return out
}

// listOf makes a list; nil is the empty list.
func listOf(items []string) types.List {
	values := make([]attr.Value, len(items))
	for i, item := range items {
		values[i] = types.StringValue(item)
	}
	return types.ListValueMust(types.StringType, values)
}

// stringMap makes a map; nil is the empty map.
func stringMap(items map[string]string) types.Map {
	values := make(map[string]attr.Value, len(items))
	for key, item := range items {
		values[key] = types.StringValue(item)
	}
	return types.MapValueMust(types.StringType, values)
}

// textOf is the text of a string; empty for one that is null, unknown or not there.
func textOf(value attr.Value) string {
	text, _ := value.(types.String)
	return text.ValueString()
}

// decodeObject decodes an object into T. It is nil when the object is null or unknown.
func decodeObject[T any](ctx context.Context, object types.Object, diags *diag.Diagnostics) *T {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	var out T
	diags.Append(object.As(ctx, &out, basetypes.ObjectAsOptions{})...)
	return &out
}

// encodeObject encodes value, null when it is nil.
func encodeObject[T any](ctx context.Context, attributes map[string]attr.Type, value *T, diags *diag.Diagnostics) types.Object {
	if value == nil {
		return types.ObjectNull(attributes)
	}
	object, more := types.ObjectValueFrom(ctx, attributes, value)
	diags.Append(more...)
	return object
}
