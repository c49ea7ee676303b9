package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

type domainModel struct {
	Store types.String `tfsdk:"store"`
	Host  hostValue    `tfsdk:"host"`

	ID        types.String `tfsdk:"id"`
	URL       types.String `tfsdk:"url"`
	Ingress   types.String `tfsdk:"ingress"`
	Namespace types.String `tfsdk:"namespace"`
	Addresses types.List   `tfsdk:"addresses"`
	Records   types.List   `tfsdk:"records"`
	Verified  types.Bool   `tfsdk:"verified"`
	Findings  types.List   `tfsdk:"findings"`
}

type recordModel struct {
	Type         types.String `tfsdk:"type"`
	Name         types.String `tfsdk:"name"`
	RelativeName types.String `tfsdk:"relative_name"`
	Value        types.String `tfsdk:"value"`
	Status       types.String `tfsdk:"status"`
	Found        types.List   `tfsdk:"found"`
	AnsweredBy   types.String `tfsdk:"answered_by"`
	Message      types.String `tfsdk:"message"`
}

var recordTypes = map[string]attr.Type{
	"type": types.StringType, "name": types.StringType, "relative_name": types.StringType, "value": types.StringType,
	"status": types.StringType, "found": types.ListType{ElemType: types.StringType}, "answered_by": types.StringType, "message": types.StringType,
}

const domainDescription = `A domain: a host name that a store answers to, beside its own ` + "`host`" + `. A host belongs to one store at a time in the whole cluster.

` + "`records`" + ` shows the DNS records that the host needs, and what the authoritative servers say. They are read at every refresh, never change a plan, and never fail it: a domain can be bound before its records exist.`

func domainSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: domainDescription,
		Attributes: map[string]schema.Attribute{
			"store": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the store that answers. Changing it replaces the domain.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"host": schema.StringAttribute{
				CustomType: hostType{}, Required: true,
				MarkdownDescription: "Host name such as `shop.example.com`: no scheme, no port, no wildcard. Case and a trailing dot make no difference. Changing it replaces the domain.",
				PlanModifiers:       []planmodifier.String{keepSpelling[host]{}, stringplanmodifier.RequiresReplace()},
			},
			"id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "The host, in lower case and without a trailing dot.",
			},
			"url": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Address of the shop under this host: `https://` and the host.",
			},
			"ingress": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Name of the Ingress that serves the host.",
			},
			"namespace": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Namespace of the store.",
			},
			"addresses": schema.ListAttribute{
				ElementType: types.StringType, Computed: true,
				MarkdownDescription: "Addresses of the cluster that the DNS must lead to, as of the last refresh.",
			},
			"records": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "DNS records that the host needs, or must not have, and what was found, as of the last refresh.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"type":          schema.StringAttribute{Computed: true, MarkdownDescription: "Type of the record: `A`, `AAAA` or `CNAME`."},
					"name":          schema.StringAttribute{Computed: true, MarkdownDescription: "Full name of the record, without a trailing dot."},
					"relative_name": schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the record within its zone; `@` is the zone itself."},
					"value":         schema.StringAttribute{Computed: true, MarkdownDescription: "Value that the record must have. Null when the record must go."},
					"status":        schema.StringAttribute{Computed: true, MarkdownDescription: "What is to be done: `ok` (nothing), `add`, `failure` (change or delete it) or `unknown` (the DNS did not answer)."},
					"found":         schema.ListAttribute{ElementType: types.StringType, Computed: true, MarkdownDescription: "Values that were found."},
					"answered_by":   schema.StringAttribute{Computed: true, MarkdownDescription: "Server that said so."},
					"message":       schema.StringAttribute{Computed: true, MarkdownDescription: "What to do, in one line."},
				}},
			},
			"verified": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether every record is as required, as of the last refresh.",
			},
			"findings": schema.ListAttribute{
				ElementType: types.StringType, Computed: true,
				MarkdownDescription: "What else is wrong with the DNS of the host, in words, as of the last refresh.",
			},
		},
	}
}

// spec makes the domain. Unknown values are left empty.
func (m domainModel) spec() spec.Domain {
	return spec.Domain{Store: m.Store.ValueString(), Host: m.Host.ValueString()}
}

// domainModelFrom makes the model of what the cluster and the DNS have.
func domainModelFrom(ctx context.Context, st *storekit.DomainState, diags *diag.Diagnostics) domainModel {
	name := spec.NormalHost(st.Domain.Host)
	records := make([]recordModel, len(st.Records))
	for i, record := range st.Records {
		records[i] = recordModel{
			Type:         types.StringValue(record.Type),
			Name:         types.StringValue(record.Name),
			RelativeName: types.StringValue(record.RelativeName),
			Value:        optionalString(record.Value),
			Status:       types.StringValue(string(record.Status)),
			Found:        listOf(record.Found),
			AnsweredBy:   optionalString(record.AnsweredBy),
			Message:      optionalString(record.Message),
		}
	}
	list, more := types.ListValueFrom(ctx, types.ObjectType{AttrTypes: recordTypes}, records)
	diags.Append(more...)
	return domainModel{
		Store:     types.StringValue(st.Domain.Store),
		Host:      spell[host](name),
		ID:        types.StringValue(name),
		URL:       types.StringValue("https://" + name),
		Ingress:   optionalString(st.Ingress),
		Namespace: types.StringValue(spec.NamespaceOf(st.Domain.Store)),
		Addresses: listOf(st.Addresses),
		Records:   list,
		Verified:  types.BoolValue(st.Verified),
		Findings:  listOf(st.Findings),
	}
}
