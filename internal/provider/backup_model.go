package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// backupModel is when a store is backed up.
type backupModel struct {
	Schedule types.String  `tfsdk:"schedule"`
	Keep     types.Int64   `tfsdk:"keep"`
	Size     quantityValue `tfsdk:"size"`
}

// backupCopyModel is a backup that exists.
type backupCopyModel struct {
	ID            types.String `tfsdk:"id"`
	Reason        types.String `tfsdk:"reason"`
	Tables        types.Int64  `tfsdk:"tables"`
	Rows          types.Int64  `tfsdk:"rows"`
	DatabaseBytes types.Int64  `tfsdk:"database_bytes"`
	Files         types.Int64  `tfsdk:"files"`
	ContentBytes  types.Int64  `tfsdk:"content_bytes"`
	SHA256        types.String `tfsdk:"sha256"`
}

var (
	backupTypes     = map[string]attr.Type{"schedule": types.StringType, "keep": types.Int64Type, "size": quantityType{}}
	backupCopyTypes = map[string]attr.Type{
		"id": types.StringType, "reason": types.StringType, "tables": types.Int64Type, "rows": types.Int64Type, "database_bytes": types.Int64Type,
		"files": types.Int64Type, "content_bytes": types.Int64Type, "sha256": types.StringType,
	}
)

// backupDefaults are those of an embedded engine.
func backupDefaults() spec.Backup { return spec.Store{Engine: spec.Medusa{}}.WithDefaults().Backup }

// backupFrom is null for an engine that has no backups.
func backupFrom(b spec.Backup) types.Object {
	if b == (spec.Backup{}) {
		return types.ObjectNull(backupTypes)
	}
	return encodeObject(backupTypes, &backupModel{
		Schedule: optionalString(b.Schedule), Keep: types.Int64Value(int64(b.Keep)), Size: spell[quantity](b.Size),
	})
}

func backupCopiesFrom(copies []spec.BackupCopy) types.List {
	out := make([]attr.Value, 0, len(copies))
	for _, b := range copies {
		out = append(out, encodeObject(backupCopyTypes, &backupCopyModel{
			ID: types.StringValue(b.ID), Reason: types.StringValue(b.Reason),
			Tables: types.Int64Value(int64(b.Tables)), Rows: types.Int64Value(int64(b.Rows)), DatabaseBytes: types.Int64Value(b.DatabaseBytes),
			Files: types.Int64Value(int64(b.Files)), ContentBytes: types.Int64Value(b.ContentBytes), SHA256: types.StringValue(b.SHA256),
		}))
	}
	return types.ListValueMust(types.ObjectType{AttrTypes: backupCopyTypes}, out)
}
