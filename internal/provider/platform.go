package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// platform is what a configured provider hands to its resources: a fleet on a cluster, or the knowledge that neither is
// known before apply.
type platform struct {
	client   *storekit.Client // nil while the connection is unknown
	fleet    *storekit.Fleet
	renderer *storekit.Renderer

	fleetName  types.String // unknown as long as the configuration does not say
	owner      types.String
	baseDomain types.String
	timeouts   operationTimeouts

	warnUnknown sync.Once
	warnAbsent  sync.Once
	limits      sync.Map // what warnLimited has said already
	inState     sync.Map // targets that were in state in this run: see keepInMind
}

type operationTimeouts struct{ connect, create, update, delete time.Duration }

// connect makes the client. Neither it nor anything it calls dials.
func (p *platform) connect(c connection, options []storekit.ClientOption, diags *diag.Diagnostics) {
	if diags.HasError() {
		return
	}
	cfg, err := c.access.Config()
	if err != nil {
		c.addAccessError(err, diags)
		return
	}
	client, err := storekit.Connect(cfg, append(options, storekit.WithSharedReads())...)
	if err != nil {
		diags.AddError("Cluster Configuration Not Usable", fmt.Sprintf("The connection to %s cannot be set up: %v.", cfg.Host, err))
		return
	}
	p.client, p.fleet, p.renderer = client, client.Fleet(p.fleetName.ValueString()), client.Renderer()
}

// unknown tells whether the cluster is known only after apply.
func (p *platform) unknown() bool { return p.client == nil }

// warnLimited says what could not be looked at, each thing once in a run.
func (p *platform) warnLimited(warnings []string, diags *diag.Diagnostics) {
	for _, text := range warnings {
		if _, said := p.limits.LoadOrStore(text, true); !said {
			diags.AddWarning("Plan Is Limited", sentence(sentenceStart(text)))
		}
	}
}

// said tells whether warnLimited has said all of it already.
func (p *platform) said(warnings []string) bool {
	return !slices.ContainsFunc(warnings, func(text string) bool {
		_, said := p.limits.Load(text)
		return !said
	})
}

// keepInMind notes that a target is in state. Terraform plans the same for what it does not know and for what is tainted or to be
// replaced, but has had the latter refreshed, or planned with its state, before.
func (p *platform) keepInMind(target storekit.Target) {
	if p != nil {
		p.inState.Store(target, true)
	}
}

// minds tells whether a target was in state in this run.
func (p *platform) minds(target storekit.Target) bool {
	_, known := p.inState.Load(target)
	return known
}

// mayBeGivenUp tells of an error about a claimed host whether who has it is in state in this run, too: the same apply may delete that
// or give it another host before. Only the apply can tell.
func (p *platform) mayBeGivenUp(err error) bool {
	var claimed *storekit.HostClaimedError
	if !errors.As(err, &claimed) || claimed.Fleet != p.fleetName.ValueString() {
		return false
	}
	if claimed.Holder == string(storekit.TargetDomain) {
		return p.minds(storekit.DomainTarget(claimed.Host))
	}
	return p.minds(storekit.StoreTarget(claimed.Store))
}

// keepState adds the one warning that a refresh without a cluster gives.
func (p *platform) keepState(diags *diag.Diagnostics) {
	p.warnUnknown.Do(func() {
		diags.AddWarning("Cluster Not Known Yet",
			"The provider's configuration is known only after apply, so nothing was read from the cluster: what state says was kept as it is, and drift is not shown. "+
				"The apply reads the cluster before it changes anything.")
	})
}

// absent tells whether an error says that the cluster does not answer, as one that still boots. What is to be created is then
// planned as with an unknown cluster. It adds the one warning that a plan without the cluster gives.
func (p *platform) absent(err error, diags *diag.Diagnostics) bool {
	if !kube.Booting(err) {
		return false
	}
	p.warnAbsent.Do(func() {
		diags.AddWarning("Cluster Not Reachable", fmt.Sprintf("The cluster gives no usable answer: %s\n"+
			"What is to be created is planned without it: what only the cluster can say is known after apply. The apply waits up to %s (timeouts.connect of the provider) for a cluster that still boots.",
			sentence(err.Error()), p.timeouts.connect))
	})
	return true
}

// await waits until the cluster can be used, which costs nothing once it has. It returns false after adding a diagnostic.
func (p *platform) await(ctx context.Context, diags *diag.Diagnostics) bool {
	if p.refuseUnknown("A change", diags) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeouts.connect)
	defer cancel()
	err := p.client.AwaitCluster(ctx, func(cause string) {
		tflog.Info(ctx, "waiting for the cluster", map[string]any{"cause": cause})
	})
	diags.Append(attempt{verb: "reach", timeout: p.timeouts.connect}.diagnose(err)...)
	return err == nil
}

// configured returns the platform that the provider handed out. It is nil before the provider is configured, when the
// framework only asks for schemas or validates.
func configured(data any, diags *diag.Diagnostics) *platform {
	if data == nil {
		return nil
	}
	p, ok := data.(*platform)
	if !ok {
		diags.AddError("Unexpected Configure Type", fmt.Sprintf("Expected *platform, got %T. This is a defect of the provider: please report it.", data))
	}
	return p
}

// refuseUnknown adds an error for what cannot be done without a cluster.
func (p *platform) refuseUnknown(what string, diags *diag.Diagnostics) bool {
	if p != nil && !p.unknown() {
		return false
	}
	diags.AddError("Cluster Not Known Yet",
		what+" needs the cluster, but the provider's configuration is known only after apply. Apply what the configuration depends on first, or give the provider known values.")
	return true
}

// events turns what happens during an operation into log lines, and warnings into diagnostics. Its option must not outlive the
// call that diags belongs to.
func (p *platform) events(ctx context.Context, diags *diag.Diagnostics) storekit.RunOption {
	return storekit.OnEvent(func(event storekit.Event) {
		if warning, ok := event.(storekit.Warning); ok {
			diags.AddWarning(title(warning.Target.Kind)+" Warning", sentence(fmt.Sprintf("%s %q: %s", title(warning.Target.Kind), warning.Target.Name, warning.Message)))
		}
		tflog.Info(ctx, event.String())
	})
}

// fleetIdentitySchema is the identity of what belongs to a fleet.
func fleetIdentitySchema(key, description string) identityschema.Schema {
	return identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		key:     identityschema.StringAttribute{RequiredForImport: true, Description: description},
		"fleet": identityschema.StringAttribute{OptionalForImport: true, Description: "Fleet that it belongs to. At import the fleet of the provider, which it must equal when given."},
	}}
}

// identify sets the identity, which every response must carry. A CLI that keeps none sends none.
func (p *platform) identify(ctx context.Context, identity *tfsdk.ResourceIdentity, key string, value types.String, diags *diag.Diagnostics) {
	if identity == nil {
		return
	}
	var before types.String
	diags.Append(identity.GetAttribute(ctx, path.Root("fleet"), &before)...)
	diags.Append(identity.SetAttribute(ctx, path.Root(key), value)...)
	if before.ValueString() == "" && !p.fleetName.IsUnknown() {
		diags.Append(identity.SetAttribute(ctx, path.Root("fleet"), p.fleetName)...)
	}
}

// importKey is what an import names: its id, or the identity's key.
func (p *platform) importKey(ctx context.Context, req resource.ImportStateRequest, key string, diags *diag.Diagnostics) string {
	if req.ID != "" {
		return req.ID
	}
	var value, fleet types.String
	if req.Identity != nil {
		diags.Append(req.Identity.GetAttribute(ctx, path.Root(key), &value)...)
		diags.Append(req.Identity.GetAttribute(ctx, path.Root("fleet"), &fleet)...)
	}
	if value.ValueString() == "" {
		diags.AddError("Nothing to Import", fmt.Sprintf("The import names nothing. Give an id, or an identity with %s.", key))
	}
	if want := fleet.ValueString(); want != "" && p != nil && want != p.fleetName.ValueString() {
		diags.AddError("Another Fleet", fmt.Sprintf("The identity names fleet %q, but this provider works in fleet %q. Import it with the provider configuration of its own fleet.", want, p.fleetName.ValueString()))
	}
	return value.ValueString()
}
