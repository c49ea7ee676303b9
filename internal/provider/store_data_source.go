package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

var _ datasource.DataSourceWithConfigure = (*storeDataSource)(nil)

func newStoreDataSource() datasource.DataSource { return &storeDataSource{} }

type storeDataSource struct {
	platform *platform
}

type storeReportModel struct {
	Name      types.String          `tfsdk:"name"`
	Owner     types.String          `tfsdk:"owner"`
	Plan      types.String          `tfsdk:"plan"`
	Engine    types.String          `tfsdk:"engine"`
	Namespace types.String          `tfsdk:"namespace"`
	URL       types.String          `tfsdk:"url"`
	Ready     types.Bool            `tfsdk:"ready"`
	Causes    []causeModel          `tfsdk:"causes"`
	Failure   types.String          `tfsdk:"failure"`
	Release   releaseModel          `tfsdk:"release"`
	Quota     map[string]usageModel `tfsdk:"quota"`
	Drift     map[string]string     `tfsdk:"drift"`
	Backups   types.List            `tfsdk:"backups"`

	BackupFailure types.String `tfsdk:"backup_failure"`

	Operations []operationModel `tfsdk:"operations"`
}

type operationModel struct {
	Action    types.String `tfsdk:"action"`
	Phase     types.String `tfsdk:"phase"`
	Holder    types.String `tfsdk:"holder"`
	Started   types.String `tfsdk:"started"`
	Failure   types.String `tfsdk:"failure"`
	Decisions []string     `tfsdk:"decisions"`
}

type causeModel struct {
	Code    types.String `tfsdk:"code"`
	Object  types.String `tfsdk:"object"`
	Message types.String `tfsdk:"message"`
	Fix     types.String `tfsdk:"fix"`
}

type usageModel struct {
	Used types.String `tfsdk:"used"`
	Hard types.String `tfsdk:"hard"`
}

// Metadata implements [datasource.DataSource].
func (d *storeDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_store"
}

// Schema implements [datasource.DataSource].
func (d *storeDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A store as the cluster has it now, whoever made it: whether it is ready and why not, what it uses, and how it differs from what it was made as.\n\n" +
			"A store that the same apply makes or changes needs `depends_on`: it is then read during the apply.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the store.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"owner":     text("Who the store belongs to. Null when its creation ended before that was recorded."),
			"plan":      text("Size of the store: the name of a preset, or the reference of a plan with its content. Null when its creation ended before that was recorded."),
			"engine":    text("What the store runs: `woocommerce`, `medusa` or `chart`. Null when its creation ended before that was recorded."),
			"namespace": text("Namespace of the store."),
			"url":       text("Address of the shop: `https://` and its host. Null without a host."),
			"ready":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether every workload is ready and nothing is missing."},
			"causes": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Objects of the store that are missing or not ready. Empty when it is ready, and when its last operation did not finish for another reason: see `failure`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"code":    text("`missing` or `not-ready`. The [causes behind that](../guides/troubleshooting.md) are in the error of the apply."),
					"object":  text("Object that it is about, as `Kind/name`."),
					"message": text("What is wrong."),
					"fix":     text("What to do. Null when that is not known."),
				}},
			},
			"failure": text("Why the last operation on the store did not finish, or was rolled back. Null when it did what it should."),
			"operations": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The latest operations on the store, oldest first: at most 6. Empty when its creation ended before anything was recorded.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"action":    text("What it was: `create`, `update`, `repair`, `resume`, `delete` or `give up`."),
					"phase":     text("How far it came: `done`, or the step that it was at."),
					"holder":    text("Who did it, as `user@host/process`."),
					"started":   text("When it began, in RFC 3339."),
					"failure":   text("Why it did not finish, or was rolled back. Null when it did what it should."),
					"decisions": schema.ListAttribute{ElementType: types.StringType, Computed: true, MarkdownDescription: "What it decided about what an interrupted or failed operation had left."},
				}},
			},
			"release": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The Helm release of the store.",
				Attributes: map[string]schema.Attribute{
					"revision":      schema.Int64Attribute{Computed: true, MarkdownDescription: "Revision of the release, counted from 1; 0 while there is none."},
					"status":        text("Helm's status, such as `deployed` or `failed`. Null while there is no release."),
					"chart":         text("Name of the chart."),
					"chart_version": text("Version of the chart."),
					"app_version":   text("Version of what the chart installs."),
					"history": schema.ListNestedAttribute{
						Computed:            true,
						MarkdownDescription: "The latest revisions of the release, oldest first: at most 5.",
						NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
							"revision":      schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of the revision."},
							"status":        text("Helm's status; `superseded` when a later revision took its place."),
							"chart_version": text("Version of its chart. Null for a revision that another tool made."),
							"app_version":   text("Version of what its chart installs. Null for a revision that another tool made."),
							"created":       text("When it was made, in RFC 3339."),
						}},
					},
				},
			},
			"backup_failure": text("Which pod failed to make the latest backup, when and why. Null when that was made."),
			"backups": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The backups in the store's volume `backups`, newest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":             text("When it was made, in UTC, such as `20261123t030000z`."),
					"reason":         text("Why it was made: `schedule`, `demand`, or before an `upgrade`, a `restore` or a `rollback`."),
					"tables":         schema.Int64Attribute{Computed: true, MarkdownDescription: "Tables of the database."},
					"rows":           schema.Int64Attribute{Computed: true, MarkdownDescription: "Rows of all tables together."},
					"database_bytes": schema.Int64Attribute{Computed: true, MarkdownDescription: "Size of the compressed dump, in bytes."},
					"files":          schema.Int64Attribute{Computed: true, MarkdownDescription: "Uploaded and installed files."},
					"content_bytes":  schema.Int64Attribute{Computed: true, MarkdownDescription: "Size of their compressed archive, in bytes."},
					"sha256":         text("Checksum of its manifest, which has those of the dump and the archive."),
				}},
			},
			"quota": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What the store may use and uses, by resource (`limits.cpu` in cores, `limits.memory` in bytes, `pods`, `requests.storage` in bytes and so on). The room of Jobs has the prefix `jobs.`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"used": text("Quantity in use."),
					"hard": text("Quantity that the plan allows."),
				}},
			},
			"drift": schema.MapAttribute{
				ElementType: types.StringType, Computed: true,
				MarkdownDescription: "Objects that differ from what they were made as, as `Kind/name`: the fields that differ, with both values and who changed them. Empty when there are none.",
			},
		},
	}
}

// Configure implements [datasource.DataSourceWithConfigure].
func (d *storeDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// Read implements [datasource.DataSource]. While the cluster is not known, the framework has deferred it already where the CLI
// can.
func (d *storeDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var name types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &name)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if d.platform.unknown() {
		resp.Diagnostics.AddError("Cluster Not Known Yet",
			"Reading a store needs the cluster, but the provider's configuration is known only after apply. Give the data source depends_on with what makes the cluster or the store: it is then read during the apply.")
		return
	}
	st, err := d.platform.fleet.Get(ctx, name.ValueString())
	if err != nil {
		resp.Diagnostics.Append(attempt{verb: "read", target: storekit.StoreTarget(name.ValueString())}.diagnose(err)...)
		return
	}
	model := storeReportModelFrom(st)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

func storeReportModelFrom(st *storekit.State) storeReportModel {
	m := storeReportModel{
		Name:      types.StringValue(st.Spec.Name),
		Owner:     optionalString(st.Spec.Owner),
		Plan:      optionalString(string(st.Spec.Plan)),
		Namespace: types.StringValue(st.Namespace),
		URL:       optionalString(st.URL),
		Ready:     types.BoolValue(st.Ready),
		Causes:    make([]causeModel, len(st.Causes)),
		Failure:   optionalString(st.Failure),
		Release:   releaseFrom(st.Release),
		Quota:     make(map[string]usageModel, len(st.Quota)),
		Drift:     make(map[string]string),

		Operations: make([]operationModel, 0, len(st.Operations)),
		Backups:    backupCopiesFrom(st.Backups),

		BackupFailure: optionalString(st.BackupFailure),
	}
	for _, one := range st.Operations {
		m.Operations = append(m.Operations, operationModel{
			Action: types.StringValue(string(one.Action)), Phase: types.StringValue(one.Phase), Holder: types.StringValue(one.Holder),
			Started: types.StringValue(one.Started.UTC().Format(time.RFC3339)), Failure: optionalString(one.Failure),
			Decisions: append([]string{}, one.Decisions...),
		})
	}
	if st.Spec.Engine != nil {
		m.Engine = types.StringValue(string(st.Spec.Engine.Kind()))
	}
	for i, cause := range st.Causes {
		m.Causes[i] = causeModel{
			Code: types.StringValue(cause.Code), Object: types.StringValue(cause.Object.String()),
			Message: types.StringValue(cause.Message), Fix: optionalString(cause.Fix),
		}
	}
	for name, usage := range st.Quota {
		m.Quota[name] = usageModel{Used: types.StringValue(usage.Used), Hard: types.StringValue(usage.Hard)}
	}
	for _, change := range st.Drift {
		m.Drift[change.Object.String()] = st.Objects[change.Object.String()]
	}
	return m
}
