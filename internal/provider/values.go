package provider

import (
	"reflect"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
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

// decodeObject decodes an object into a struct with a field for each attribute. It is nil when the object is null or unknown. The
// framework's own way checks every field's name with a regular expression that it compiles each time (v1.19.0,
// internal/reflect.isValidFieldName): a tenth of what a plan cost this provider.
func decodeObject[T any](object types.Object) *T {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	out := new(T)
	attributes, fields := object.Attributes(), reflect.ValueOf(out).Elem()
	for i := range fields.NumField() {
		fields.Field(i).Set(reflect.ValueOf(attributes[fields.Type().Field(i).Tag.Get("tfsdk")]))
	}
	return out
}

// encodeObject is the reverse of decodeObject.
func encodeObject[T any](attributes map[string]attr.Type, value *T) types.Object {
	if value == nil {
		return types.ObjectNull(attributes)
	}
	values, fields := make(map[string]attr.Value, len(attributes)), reflect.ValueOf(value).Elem()
	for i := range fields.NumField() {
		values[fields.Type().Field(i).Tag.Get("tfsdk")], _ = fields.Field(i).Interface().(attr.Value)
	}
	return types.ObjectValueMust(attributes, values)
}
