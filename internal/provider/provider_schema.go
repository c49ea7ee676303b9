package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const providerDescription = `Provisions isolated WooCommerce and Medusa stores on Kubernetes: one namespace with quota, limits, network policies and a Helm release for each store.

A cluster is reached in exactly one of these ways: ` + "`kubeconfig`" + `, ` + "`config_path`" + ` or ` + "`config_paths`" + `, ` + "`host`" + `, or ` + "`in_cluster`" + `. When the configuration names none, the environment variables below decide. The provider never falls back to localhost, and never connects while any of these values is unknown: a cluster and its stores can be created in one apply.`

func providerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: providerDescription,
		Attributes: map[string]schema.Attribute{
			"kubeconfig": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Content of a kubeconfig, for example the output of the module that makes the cluster. Environment variable: `STOREPLATFORM_KUBECONFIG`.",
			},
			"config_path": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Path of a kubeconfig file; `~/` is the home directory. Environment variable: `KUBE_CONFIG_PATH`.",
			},
			"config_paths": schema.ListAttribute{
				ElementType: types.StringType, Optional: true,
				MarkdownDescription: "Paths of kubeconfig files that are merged; for a name that is in several of them the first wins. Environment variable: `KUBE_CONFIG_PATHS`, separated as in `PATH`.",
			},
			"config_context": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Context of the kubeconfig to use. Default: its current context. Environment variable: `KUBE_CTX`.",
			},
			"config_context_auth_info": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "User of the kubeconfig to use instead of the context's. Environment variable: `KUBE_CTX_AUTH_INFO`.",
			},
			"config_context_cluster": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Cluster of the kubeconfig to use instead of the context's. Environment variable: `KUBE_CTX_CLUSTER`.",
			},
			"host": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Address of the API server, such as `https://203.0.113.10:6443`. Environment variable: `KUBE_HOST`.",
			},
			"token": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Bearer token, with `host`. Environment variable: `KUBE_TOKEN`.",
			},
			"cluster_ca_certificate": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Certificate authority of the API server as PEM, with `host`. Default: those of the system. Environment variable: `KUBE_CLUSTER_CA_CERT_DATA`.",
			},
			"client_certificate": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Client certificate as PEM, with `host` and `client_key`. Environment variable: `KUBE_CLIENT_CERT_DATA`.",
			},
			"client_key": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Key of the client certificate as PEM. Environment variable: `KUBE_CLIENT_KEY_DATA`.",
			},
			"exec": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Command that prints credentials, with `host`. It runs when the first request is sent, never at plan of a configuration that is not known.",
				Attributes: map[string]schema.Attribute{
					"api_version": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "API of the credentials: `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`.",
					},
					"command": schema.StringAttribute{
						Required:            true,
						MarkdownDescription: "Command to run.",
					},
					"args": schema.ListAttribute{
						ElementType: types.StringType, Optional: true,
						MarkdownDescription: "Arguments of the command. Default: none.",
					},
					"env": schema.MapAttribute{
						ElementType: types.StringType, Optional: true, Sensitive: true,
						MarkdownDescription: "Environment variables of the command, beside those of this process. Default: none.",
					},
				},
			},
			"in_cluster": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Use the service account of the pod that Terraform runs in. Default: `false`.",
			},
			"insecure": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Do not check the certificate of the API server. Default: `false`. Environment variable: `KUBE_INSECURE`.",
			},
			"tls_server_name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Name that the certificate of the API server must carry. Default: the host that is connected to. Environment variable: `KUBE_TLS_SERVER_NAME`.",
			},
			"proxy_url": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Proxy to reach the API server through: an `http`, `https` or `socks5` URL. Default: that of the kubeconfig, else `HTTPS_PROXY`. Environment variable: `KUBE_PROXY_URL`.",
			},
			"qps": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Requests to the API server per second, over all resources together. Default: `50`.",
			},
			"burst": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Requests that may be sent at once before `qps` slows them down. Default: twice `qps`.",
			},
			"fleet": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Name of the set of stores that belong together: a DNS label. This provider sees and changes only stores of its fleet. Default: `default`.",
			},
			"owner": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Owner of stores that name none. Default: none; every store must then have an `owner`.",
			},
			"base_domain": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Domain under which stores without a `host` get one: store `acme` answers to `acme.<base_domain>`. Default: none; such stores get no ingress.",
			},
			"ingress_class": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Ingress class that stores use. Default: the cluster's default class, else its only one.",
			},
			"dns_servers": schema.ListAttribute{
				ElementType: types.StringType, Optional: true,
				MarkdownDescription: "DNS servers to ask about domains instead of walking the public DNS, as `address` or `address:port` (default port 53). What they say counts as authoritative. Environment variable: `STOREPLATFORM_DNS_SERVERS`, separated by commas.",
			},
			"timeouts": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "How long operations may take where a resource does not say so itself.",
				Attributes: map[string]schema.Attribute{
					"connect": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Duration such as `90s` or `15m` that an apply waits for a cluster that still boots: until its API server answers and its first node is registered and has its addresses. It does not count against the other timeouts. Default: `5m`.",
					},
					"create": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Duration such as `90s` or `15m` that a create may take. Default: `10m`.",
					},
					"update": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Duration such as `90s` or `15m` that an update may take. Default: `10m`.",
					},
					"delete": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Duration such as `90s` or `15m` that a delete may take. Default: `10m`.",
					},
				},
			},
		},
	}
}
