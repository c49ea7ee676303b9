package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

const storeDescription = `A store: a tenant's shop in a namespace of its own (` + "`store-<name>`" + `), with quota, limits, network policies and secrets that exist before its first pod, and one Helm release.

Exactly one of ` + "`woocommerce`" + `, ` + "`medusa`" + ` and ` + "`chart`" + ` says what runs. Changes are made in place; only another ` + "`name`" + ` or another engine replaces the store, and a protected store refuses that, as it refuses destruction.

` + "`objects`" + ` shows every object of the store, so a plan tells which of them will change, and which were changed by other hands.`

// storeDefaults is a store with every default that does not depend on anything.
var storeDefaults = spec.Store{}.WithDefaults()

func storeSchema(ctx context.Context) schema.Schema {
	return schema.Schema{
		MarkdownDescription: storeDescription,
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: fmt.Sprintf("Name of the store, unique in the cluster: a DNS label of at most %d characters. Changing it replaces the store.", spec.MaxNameLength),
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"owner": schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "Who the store belongs to: 1 to 63 letters, digits, `-`, `_` or `.`. A label on the namespace. Default: `owner` of the provider.",
			},
			"plan": schema.StringAttribute{
				CustomType: planRefType{}, Optional: true, Computed: true,
				Default:             stringdefault.StaticString(spec.Standard),
				MarkdownDescription: "Size of the store: the name of a preset (`basic`, `standard`, `premium`) or `ref` of a `storeplatform_plan`. A changed plan reaches its stores in the same apply. Default: `standard`.",
				PlanModifiers:       []planmodifier.String{keepSpelling[planRef]{}},
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"host": schema.StringAttribute{
				CustomType: hostType{}, Optional: true, Computed: true,
				MarkdownDescription: "Host name that the shop answers to, without scheme and port. Further ones can be bound with `storeplatform_domain`. Default: `<name>.<base_domain>` when the provider has a `base_domain` and a `chart` names its `service`, else none: the store then has no ingress of its own.",
				PlanModifiers:       []planmodifier.String{keepSpelling[host]{}},
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"storage": schema.SingleNestedAttribute{
				Optional: true, Computed: true,
				Default:             objectdefault.StaticValue(defaultStorage()),
				MarkdownDescription: "Volumes of a WooCommerce or Medusa store; a `chart` makes its volumes itself. A size can grow where the storage class can expand volumes, and never shrink.",
				Attributes: map[string]schema.Attribute{
					"class": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Name of the storage class. Default: the cluster's default class.",
						Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
					},
					"content":  storageSize("Size of the volume of uploaded files, in bytes.", storeDefaults.Storage.Content),
					"database": storageSize("Size of the volume of the database, in bytes.", storeDefaults.Storage.Database),
				},
			},
			"egress": schema.StringAttribute{
				Optional: true, Computed: true,
				Default:             stringdefault.StaticString(string(storeDefaults.Egress)),
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "What the pods may reach outside of the store: `web` (public addresses on TCP 80, 443 and 587) or `none`. Private networks, the cloud's metadata service, the nodes and the API server are out of reach either way. Default: `web`.",
			},
			"backup": backupAttribute(),
			"restore_from": schema.StringAttribute{
				Optional:            true,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "Backup that takes the place of the data: an `id` of `backups`, or `store/id` for one of another store of the fleet. It is restored once, by the apply in which the value changes, after a backup of what is there; a new store begins with it. Meanwhile the shop is away. Taking it out changes nothing. Default: none.",
			},
			"rotation": schema.StringAttribute{
				Optional:            true,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "Any text of at most 63 characters, such as a date. Changing it makes a new password of the database and, unless it is given, of the administrator, without downtime; the old ones are refused afterwards. Default: none.",
			},
			"deletion_protection": schema.BoolAttribute{
				Optional: true, Computed: true,
				Default:             booldefault.StaticBool(true),
				MarkdownDescription: "Refuse everything that would delete the store: destroy, taint, `-replace`, another name, another engine. To delete a store, set it to `false` and apply first. Default: `true`.",
			},
			"data_retention": schema.StringAttribute{
				Optional: true, Computed: true,
				Default:             stringdefault.StaticString(string(storeDefaults.Retention)),
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "What deleting the store does to its volumes: `retain` keeps them in the cluster and names them, `delete` destroys them. Default: `retain`.",
			},
			"on_failure": schema.StringAttribute{
				Optional:            true,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
				MarkdownDescription: "What an apply does when the release is refused or does not become ready: `keep` leaves it as it is, to be looked at; `rollback` brings an update back to what last became ready, guardrails included (a create has nothing to go back to, and keeps); `uninstall` does the same for an update, and removes the release of a create, but for the volumes of WooCommerce and Medusa and not in an adopted namespace. The apply fails in any case, and the next one goes on from there. An apply that is interrupted, or that loses the cluster, always keeps. An update that changes versions takes its data back too, to the backup that it began with; given passwords are not rolled back. Default: a create keeps, an update rolls back.",
			},
			"rollback_to": schema.Int64Attribute{
				Optional:            true,
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "Revision of `release.history` that the release goes back to and stays at: while this is set, changes of the engine, of `storage` and `backup`, and of the address that the shop itself has for `host` do not reach the release; those of the plan and other guardrails do. Fields that `ignore_drift` leaves to others get what they had in that revision. Data is not rolled back. Taking it out brings the release to what the configuration says. Default: none.",
			},
			"adopt_existing": schema.BoolAttribute{
				Optional: true, Computed: true,
				Default:             booldefault.StaticBool(false),
				MarkdownDescription: "Take over a namespace that exists already and that nobody owns, instead of refusing it. What it held before is never deleted. Default: `false`.",
			},
			"ignore_drift": schema.ListAttribute{
				ElementType: types.StringType, Optional: true, Computed: true, Default: listdefault.StaticValue(listOf(nil)),
				MarkdownDescription: "What others may change without it being shown or repaired: objects (`NetworkPolicy/extra`) or fields (`Deployment/web: spec.replicas`), spelt as a plan shows them. An update of the store leaves such fields as they are. Default: `[]`.",
			},
			"woocommerce": wooCommerceAttribute(),
			"medusa":      medusaAttribute(),
			"chart":       chartAttribute(),
			"timeouts":    timeoutsAttribute(ctx),

			"id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "The name of the store.",
			},
			"namespace": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Namespace of the store.",
			},
			"url": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Address of the shop: `https://` and `host`. Null without a host.",
			},
			"ready": schema.BoolAttribute{
				Computed:            true,
				MarkdownDescription: "Whether every workload is ready and nothing is missing, as of the last refresh.",
			},
			"release": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The Helm release of the store, as of the last refresh.",
				Attributes: map[string]schema.Attribute{
					"revision":      schema.Int64Attribute{Computed: true, MarkdownDescription: "Revision of the release, counted from 1; 0 while there is none."},
					"status":        schema.StringAttribute{Computed: true, MarkdownDescription: "Helm's status, such as `deployed` or `failed`. Null while there is no release."},
					"chart":         schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the chart."},
					"chart_version": schema.StringAttribute{Computed: true, MarkdownDescription: "Version of the chart."},
					"app_version":   schema.StringAttribute{Computed: true, MarkdownDescription: "Version of what the chart installs."},
					"history": schema.ListNestedAttribute{
						Computed:            true,
						MarkdownDescription: "The latest revisions of the release, oldest first: at most 5. See `rollback_to`.",
						NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
							"revision":      schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of the revision."},
							"status":        schema.StringAttribute{Computed: true, MarkdownDescription: "Helm's status; `superseded` when a later revision took its place."},
							"chart_version": schema.StringAttribute{Computed: true, MarkdownDescription: "Version of its chart. Null for a revision that another tool made."},
							"app_version":   schema.StringAttribute{Computed: true, MarkdownDescription: "Version of what its chart installs. Null for a revision that another tool made."},
							"created":       schema.StringAttribute{Computed: true, MarkdownDescription: "When it was made, in RFC 3339."},
						}},
					},
				},
			},
			"backups": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The backups in the store's volume `backups`, newest first, as of the last refresh. See `restore_from`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":             schema.StringAttribute{Computed: true, MarkdownDescription: "When it was made, in UTC, such as `20261123t030000z`."},
					"reason":         schema.StringAttribute{Computed: true, MarkdownDescription: "Why it was made: `schedule`, `demand`, or before an `upgrade`, a `restore` or a `rollback`."},
					"tables":         schema.Int64Attribute{Computed: true, MarkdownDescription: "Tables of the database."},
					"rows":           schema.Int64Attribute{Computed: true, MarkdownDescription: "Rows of all tables together."},
					"database_bytes": schema.Int64Attribute{Computed: true, MarkdownDescription: "Size of the compressed dump, in bytes."},
					"files":          schema.Int64Attribute{Computed: true, MarkdownDescription: "Uploaded and installed files."},
					"content_bytes":  schema.Int64Attribute{Computed: true, MarkdownDescription: "Size of their compressed archive, in bytes."},
					"sha256":         schema.StringAttribute{Computed: true, MarkdownDescription: "Checksum of its manifest, which has those of the dump and the archive."},
				}},
			},
			"quota": schema.MapAttribute{
				ElementType: types.StringType, Computed: true,
				MarkdownDescription: "What the plan lets the store use: `limits.cpu` in cores, `limits.memory` in bytes, `pods`, `requests.storage` in bytes, and with `jobs.` before it the room of Jobs. How much of that is used changes by the minute: see the data source `storeplatform_store`.",
			},
			"objects": schema.MapAttribute{
				ElementType: types.StringType, Computed: true,
				MarkdownDescription: "Every object of the store and its Helm release, as `Kind/name`. One that is as desired shows a digest of what is desired, and how the last change moved it (`3f2a90c1d4e5: spec.hard.pods 10 -> 20`). Any other shows the fields that differ, with both values, who changed them and when. A plan shows what each will be again. Secrets are masked.",
			},
			"cluster_uid": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "UID of the cluster (of its `kube-system` namespace). A store whose cluster was replaced is planned to be created again.",
			},
		},
	}
}

func defaultStorage() types.Object {
	return types.ObjectValueMust(storageTypes, map[string]attr.Value{
		"class":    optionalString(storeDefaults.Storage.Class),
		"content":  spell[quantity](storeDefaults.Storage.Content),
		"database": spell[quantity](storeDefaults.Storage.Database),
	})
}

func storageSize(description, size string) schema.StringAttribute {
	return schema.StringAttribute{
		CustomType: quantityType{}, Optional: true, Computed: true,
		Default:             stringdefault.StaticString(size),
		MarkdownDescription: fmt.Sprintf("%s Default: `%s`.", description, size),
		PlanModifiers:       []planmodifier.String{keepSpelling[quantity]{}},
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
}

func backupAttribute() schema.SingleNestedAttribute {
	defaults := backupDefaults()
	return schema.SingleNestedAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "Backups of the database and the uploaded files, in a volume of the store. One is made before every change of versions and every restore in any case. Not for `chart`.",
		Attributes: map[string]schema.Attribute{
			"schedule": optionalText("When further ones are made: a cron expression of five fields in UTC, such as `0 3 * * *`. Default: none; only those before upgrades and restores."),
			"keep": schema.Int64Attribute{
				Optional: true, Computed: true, Default: int64default.StaticInt64(int64(defaults.Keep)),
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: fmt.Sprintf("How many backups stay, 1 to %d: a new one removes the oldest. Default: `%d`.", spec.MaxBackups, defaults.Keep),
			},
			"size": storageSize("Size of their volume, in bytes.", defaults.Size),
		},
	}
}

func textWithDefault(description, value string) schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		Default:             stringdefault.StaticString(value),
		MarkdownDescription: fmt.Sprintf("%s Default: `%s`.", description, value),
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
}

func optionalText(description string) schema.StringAttribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: description,
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
}

func secretText(description string) schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, WriteOnly: true, Sensitive: true,
		MarkdownDescription: description + " Write-only: it is in no plan and no state.",
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
}

func secretVersion(secret string) schema.Int64Attribute {
	return schema.Int64Attribute{
		Optional:            true,
		MarkdownDescription: fmt.Sprintf("Any number. With it, `%[1]s` is given to the store when that is made and whenever this number changes; another value under the same number changes nothing, such as that of an ephemeral generator, which differs in every run. Without it, it is given whenever it has changed, which a keyed hash tells.", secret),
	}
}

func wooCommerceAttribute() schema.SingleNestedAttribute {
	defaults := wooCommerceDefaults()
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Run WordPress with WooCommerce on MariaDB.",
		Attributes: map[string]schema.Attribute{
			"title":                     schema.StringAttribute{Required: true, MarkdownDescription: "Name of the shop, 1 to 200 characters."},
			"admin_email":               schema.StringAttribute{Required: true, MarkdownDescription: "Email address of the administrator when the shop is installed. Change it in the shop afterwards."},
			"admin_user":                textWithDefault("Name of the administrator: 1 to 60 lower case letters, digits, `.`, `_` or `-`. It is set when the shop is installed. Do not change it afterwards: the shop keeps the old name, and `storeplatform_store_admin` would tell one that nobody has.", defaults.AdminUser),
			"admin_password_wo":         secretText("Password of the administrator. Default: generated. Either way it is in the Secret `admin` of the store's namespace."),
			"admin_password_wo_version": secretVersion("admin_password_wo"),
			"locale":                    textWithDefault("WordPress locale, such as `de_DE`.", defaults.Locale),
			"version":                   textWithDefault("Exact version of WooCommerce.", defaults.Version),
			"wordpress_version":         textWithDefault("Exact version of WordPress.", defaults.WordPress),
			"php_version":               textWithDefault("Version of PHP, such as `8.4`. Which ones will do depends on `wordpress_version`.", defaults.PHP),
			"plugin_source":             textWithDefault("URL that the WooCommerce plugin is fetched from, with `%s` in place of the version.", defaults.PluginSource),
			"plugin_sha256":             optionalText("SHA-256 of the plugin archive, 64 hexadecimal digits. Default: none; the archive is not checked."),
			"registry":                  textWithDefault("Registry that serves the images.", defaults.Registry),
			"smtp": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Mail relay of the shop. Default: none; the shop sends no mail.",
				Attributes: map[string]schema.Attribute{
					"host": schema.StringAttribute{Required: true, MarkdownDescription: "Name of the mail relay."},
					"port": schema.Int64Attribute{
						Optional: true, Computed: true, Default: int64default.StaticInt64(587),
						Validators:          []validator.Int64{int64validator.AtLeast(1)},
						MarkdownDescription: "Port of the mail relay; 587 is the one that the egress profile `web` lets through. Default: `587`.",
					},
					"user":                optionalText("User at the mail relay. Default: none; no login."),
					"password_wo":         secretText("Password at the mail relay."),
					"password_wo_version": secretVersion("password_wo"),
					"from":                schema.StringAttribute{Required: true, MarkdownDescription: "Sender address of the shop's mail."},
				},
			},
		},
	}
}

func medusaAttribute() schema.SingleNestedAttribute {
	defaults := medusaDefaults()
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Run Medusa v2 on PostgreSQL.",
		Attributes: map[string]schema.Attribute{
			"image":                     schema.StringAttribute{Required: true, MarkdownDescription: "Image of the shop, with a digest or an exact tag: Medusa has no official one. `examples/medusa-image/Dockerfile` in the provider's repository builds one, and says what a store asks of it."},
			"admin_email":               schema.StringAttribute{Required: true, MarkdownDescription: "Email address of the first administrator. Another one makes a further administrator; the former one stays."},
			"admin_password_wo":         secretText("Password of the first administrator. Default: generated. Either way it is in the Secret `admin` of the store's namespace."),
			"admin_password_wo_version": secretVersion("admin_password_wo"),
			"cache": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(defaults.Cache),
				MarkdownDescription: "Run a Redis-compatible cache, so that sessions and events survive a restart. Default: `false`.",
			},
			"worker": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(defaults.Worker),
				MarkdownDescription: "Run background jobs in a pod of their own instead of in the server. Default: `false`.",
			},
			"cors": schema.ListAttribute{
				ElementType: types.StringType, Optional: true, Computed: true, Default: listdefault.StaticValue(listOf(nil)),
				MarkdownDescription: "Origins of storefronts, such as `https://shop.example.com`. The store's own hosts are added. Default: `[]`.",
			},
			"registry": textWithDefault("Registry that serves the database and cache images.", defaults.Registry),
		},
	}
}

func chartAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Run a Helm chart of your own inside the guardrails of a store.",
		Attributes: map[string]schema.Attribute{
			"source":  schema.StringAttribute{Required: true, MarkdownDescription: "The chart: a directory, a `.tgz` archive, or an OCI reference such as `oci://registry.example.com/charts/shop`."},
			"version": optionalText("Exact version of the chart. Required for an OCI reference; else checked against the chart when set. Default: none."),
			"values": schema.StringAttribute{
				CustomType: documentType{}, Optional: true, Computed: true, Default: stringdefault.StaticString("{}"),
				MarkdownDescription: "Values of the chart as YAML or JSON, compared by content. They must not hold secrets: Helm keeps them in its release records. Default: `{}`.",
				PlanModifiers:       []planmodifier.String{keepSpelling[document]{}},
			},
			"service": optionalText("Service of the chart that answers for the store's hosts. Required with a `host`. Default: none; the store has no ingress, and none of the provider's `base_domain` either."),
			"port": schema.Int64Attribute{
				Optional: true, Computed: true, Default: int64default.StaticInt64(80),
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "Port of that Service. Default: `80`.",
			},
			"target": schema.Int64Attribute{
				Optional: true, Computed: true,
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "Port of the pods behind that Service, which the ingress controller may reach. Default: `port`.",
			},
			"username":    optionalText("User at the OCI registry. Default: none; no login."),
			"password_wo": secretText("Password at the OCI registry."),
		},
	}
}

func timeoutsAttribute(ctx context.Context) schema.Attribute {
	const format = "Duration such as `90s` or `15m` that %s may take. Default: `timeouts.%s` of the provider, else `10m`."
	attribute := timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, Update: true, Delete: true,
		CreateDescription: fmt.Sprintf(format, "creating the store and waiting until it is ready", "create"),
		UpdateDescription: fmt.Sprintf(format, "updating the store and waiting until it is ready", "update"),
		DeleteDescription: fmt.Sprintf(format, "deleting the store and waiting until its namespace is gone", "delete"),
	})
	if nested, ok := attribute.(schema.SingleNestedAttribute); ok {
		nested.MarkdownDescription = "How long operations on this store may take."
		for name, one := range nested.Attributes {
			if text, ok := one.(schema.StringAttribute); ok {
				text.MarkdownDescription, text.Description = text.Description, ""
				nested.Attributes[name] = text
			}
		}
		return nested
	}
	return attribute
}
