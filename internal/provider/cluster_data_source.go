package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

var _ datasource.DataSourceWithConfigure = (*clusterDataSource)(nil)

func newClusterDataSource() datasource.DataSource { return &clusterDataSource{} }

type clusterDataSource struct {
	platform *platform
}

type clusterModel struct {
	ID             types.String        `tfsdk:"id"`
	UID            types.String        `tfsdk:"uid"`
	Server         types.String        `tfsdk:"server"`
	Version        types.String        `tfsdk:"version"`
	Nodes          []nodeModel         `tfsdk:"nodes"`
	StorageClasses []storageClassModel `tfsdk:"storage_classes"`
	IngressClasses []ingressClassModel `tfsdk:"ingress_classes"`
	IngressClass   types.String        `tfsdk:"ingress_class"`
	Addresses      types.List          `tfsdk:"addresses"`
	GatewayAPI     types.Bool          `tfsdk:"gateway_api"`
	CertManager    types.Bool          `tfsdk:"cert_manager"`
	Checks         []checkModel        `tfsdk:"checks"`
}

type nodeModel struct {
	Name      types.String  `tfsdk:"name"`
	Ready     types.Bool    `tfsdk:"ready"`
	CPU       quantityValue `tfsdk:"cpu"`
	Memory    quantityValue `tfsdk:"memory"`
	Addresses types.List    `tfsdk:"addresses"`
	Version   types.String  `tfsdk:"version"`
}

type storageClassModel struct {
	Name        types.String `tfsdk:"name"`
	Provisioner types.String `tfsdk:"provisioner"`
	Default     types.Bool   `tfsdk:"default"`
	Expandable  types.Bool   `tfsdk:"expandable"`
}

type ingressClassModel struct {
	Name       types.String `tfsdk:"name"`
	Controller types.String `tfsdk:"controller"`
	Default    types.Bool   `tfsdk:"default"`
}

type checkModel struct {
	Name    types.String `tfsdk:"name"`
	Status  types.String `tfsdk:"status"`
	Message types.String `tfsdk:"message"`
	Fix     types.String `tfsdk:"fix"`
}

// Metadata implements [datasource.DataSource].
func (d *clusterDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_cluster"
}

// Schema implements [datasource.DataSource].
func (d *clusterDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	flag := func(description string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	}
	texts := func(description string) schema.ListAttribute {
		return schema.ListAttribute{ElementType: types.StringType, Computed: true, MarkdownDescription: description}
	}
	list := func(description string, attributes map[string]schema.Attribute) schema.ListNestedAttribute {
		return schema.ListNestedAttribute{Computed: true, MarkdownDescription: description, NestedObject: schema.NestedAttributeObject{Attributes: attributes}}
	}
	quantity := func(description string) schema.StringAttribute {
		return schema.StringAttribute{CustomType: quantityType{}, Computed: true, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What stores need to know of the cluster, and whether it is fit for them. Use `checks` in a `check` block or a precondition to stop an apply before it starts.\n\nWhile the provider's configuration is known only after apply, it is empty; with `depends_on` on what makes the cluster it is read during the apply.",
		Attributes: map[string]schema.Attribute{
			"id":      text("UID of the cluster."),
			"uid":     text("UID of the cluster: of its `kube-system` namespace."),
			"server":  text("Address of the API server."),
			"version": text("Version of Kubernetes, such as `v1.37.2`."),
			"nodes": list("Nodes of the cluster.", map[string]schema.Attribute{
				"name":      text("Name of the node."),
				"ready":     flag("Whether the node takes pods."),
				"cpu":       quantity("CPU that pods may use, in cores."),
				"memory":    quantity("Memory that pods may use, in bytes."),
				"addresses": texts("Internal and external addresses of the node."),
				"version":   text("Version of its kubelet."),
			}),
			"storage_classes": list("Classes of volumes.", map[string]schema.Attribute{
				"name":        text("Name of the class."),
				"provisioner": text("What makes its volumes."),
				"default":     flag("Whether stores get it that name none."),
				"expandable":  flag("Whether its volumes can grow."),
			}),
			"ingress_classes": list("Classes of ingresses.", map[string]schema.Attribute{
				"name":       text("Name of the class."),
				"controller": text("Controller that serves it."),
				"default":    flag("Whether it is the cluster's default."),
			}),
			"ingress_class": text("Ingress class that stores use. Null when there is none: hosts are then not served."),
			"addresses":     texts("Addresses where DNS records of stores must point."),
			"gateway_api":   flag("Whether the cluster has the Gateway API."),
			"cert_manager":  flag("Whether the cluster has cert-manager."),
			"checks": list("Findings about the cluster's fitness for stores.", map[string]schema.Attribute{
				"name":    text("Stable name of the check, such as `default-storage-class`."),
				"status":  text("`pass`, `warn` or `fail`."),
				"message": text("What was found."),
				"fix":     text("What to do. Null when the check passes."),
			}),
		},
	}
}

// Configure implements [datasource.DataSourceWithConfigure].
func (d *clusterDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.platform = configured(req.ProviderData, &resp.Diagnostics)
}

// Read implements [datasource.DataSource].
func (d *clusterDataSource) Read(ctx context.Context, _ datasource.ReadRequest, resp *datasource.ReadResponse) {
	if d.platform.unknown() {
		resp.Diagnostics.AddWarning("Cluster Not Known Yet",
			"The provider's configuration is known only after apply, so this data source is empty in this run. Give it depends_on with what makes the cluster: it is then read during the apply.")
		model := clusterModelFrom(&storekit.Cluster{})
		model.ID, model.UID, model.Server, model.Version = types.StringNull(), types.StringNull(), types.StringNull(), types.StringNull()
		resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
		return
	}
	cluster, err := d.platform.client.Cluster(ctx)
	if err != nil {
		resp.Diagnostics.Append(attempt{verb: "read"}.diagnose(err)...)
		return
	}
	model := clusterModelFrom(cluster)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

func clusterModelFrom(c *storekit.Cluster) clusterModel {
	m := clusterModel{
		ID:             types.StringValue(c.UID),
		UID:            types.StringValue(c.UID),
		Server:         types.StringValue(c.Server),
		Version:        types.StringValue(c.Version),
		Nodes:          make([]nodeModel, len(c.Nodes)),
		StorageClasses: make([]storageClassModel, len(c.StorageClasses)),
		IngressClasses: make([]ingressClassModel, len(c.IngressClasses)),
		IngressClass:   optionalString(c.IngressClass),
		Addresses:      listOf(c.Addresses),
		GatewayAPI:     types.BoolValue(c.GatewayAPI),
		CertManager:    types.BoolValue(c.CertManager),
		Checks:         make([]checkModel, len(c.Checks)),
	}
	for i, node := range c.Nodes {
		m.Nodes[i] = nodeModel{
			Name: types.StringValue(node.Name), Ready: types.BoolValue(node.Ready), CPU: spell[quantity](node.CPU), Memory: spell[quantity](node.Memory),
			Addresses: listOf(node.Addresses), Version: types.StringValue(node.Version),
		}
	}
	for i, class := range c.StorageClasses {
		m.StorageClasses[i] = storageClassModel{
			Name: types.StringValue(class.Name), Provisioner: types.StringValue(class.Provisioner),
			Default: types.BoolValue(class.Default), Expandable: types.BoolValue(class.Expandable),
		}
	}
	for i, class := range c.IngressClasses {
		m.IngressClasses[i] = ingressClassModel{
			Name: types.StringValue(class.Name), Controller: types.StringValue(class.Controller), Default: types.BoolValue(class.Default),
		}
	}
	for i, check := range c.Checks {
		m.Checks[i] = checkModel{
			Name: types.StringValue(check.Name), Status: types.StringValue(check.Status), Message: types.StringValue(check.Message), Fix: optionalString(check.Fix),
		}
	}
	return m
}
