package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var (
	_ resource.ResourceWithMoveState = (*storeResource)(nil)
	_ resource.ResourceWithMoveState = (*planResource)(nil)
	_ resource.ResourceWithMoveState = (*domainResource)(nil)
)

// movedFrom is the key in private state of a store that was moved from a resource of another provider: the type of that
// resource. Its namespace is not ours until an apply adopts it.
const movedFrom = "moved_from"

// MoveState implements [resource.ResourceWithMoveState].
func (r *storeResource) MoveState(ctx context.Context) []resource.StateMover {
	return []resource.StateMover{
		moveOwn("storeplatform_store", "name", storeSchema(ctx)),
		moveNamespace("kubernetes_namespace"),
		moveNamespace("kubernetes_namespace_v1"),
		moveRelease(),
	}
}

// MoveState implements [resource.ResourceWithMoveState].
func (r *planResource) MoveState(context.Context) []resource.StateMover {
	return []resource.StateMover{moveOwn("storeplatform_plan", "name", planSchema())}
}

// MoveState implements [resource.ResourceWithMoveState].
func (r *domainResource) MoveState(context.Context) []resource.StateMover {
	return []resource.StateMover{moveOwn("storeplatform_domain", "host", domainSchema())}
}

// providedBy tells whether the address of a provider names it, as a CLI spells addresses: name, namespace/name or
// host/namespace/name. The host may be that of any registry or mirror, and so may the namespace if the one given is empty.
func providedBy(address, namespace, name string) bool {
	parts := strings.Split(address, "/")
	last := len(parts) - 1
	if last > 2 || slices.Contains(parts, "") || parts[last] != name {
		return false
	}
	return last == 0 || namespace == "" || parts[last-1] == namespace
}

// moveOwn passes on the state of a resource of this provider, which came to another address: another registry host, or another
// namespace.
func moveOwn(typeName, key string, own schema.Schema) resource.StateMover {
	return resource.StateMover{SourceSchema: &own, StateMover: func(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
		if req.SourceTypeName != typeName || !providedBy(req.SourceProviderAddress, "", "storeplatform") {
			return
		}
		if req.SourceSchemaVersion != own.Version || req.SourceState == nil {
			notMovable(req, fmt.Errorf("it is not a state of version %d of that type, but of version %d", own.Version, req.SourceSchemaVersion), &resp.Diagnostics)
			return
		}
		var name *string
		resp.Diagnostics.Append(req.SourceState.GetAttribute(ctx, path.Root(key), &name)...)
		if name == nil {
			notMovable(req, fmt.Errorf("it has no %s", key), &resp.Diagnostics)
			return
		}
		resp.TargetState.Raw, resp.TargetPrivate = req.SourceState.Raw, req.SourcePrivate
		if req.SourceIdentity == nil || len(req.SourceIdentity.JSON) == 0 {
			return // of a CLI that keeps none
		}
		identity := make(map[string]*string)
		if err := json.Unmarshal(req.SourceIdentity.JSON, &identity); err != nil {
			notMovable(req, fmt.Errorf("its identity cannot be read: %w", err), &resp.Diagnostics)
			return
		}
		for _, part := range []string{key, "fleet"} {
			resp.Diagnostics.Append(resp.TargetIdentity.SetAttribute(ctx, path.Root(part), types.StringPointerValue(identity[part]))...)
		}
	}}
}

// moveNamespace makes a store of a namespace that hashicorp/kubernetes managed.
func moveNamespace(typeName string) resource.StateMover {
	return resource.StateMover{StateMover: func(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
		if req.SourceTypeName != typeName || !providedBy(req.SourceProviderAddress, "hashicorp", "kubernetes") {
			return
		}
		var source struct {
			Metadata []struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := decodeSource(req, &source); err != nil || len(source.Metadata) != 1 || source.Metadata[0].Name == "" {
			notMovable(req, errors.Join(err, errors.New("it has no metadata with a name")), &resp.Diagnostics)
			return
		}
		becomeStore(ctx, source.Metadata[0].Name, req, resp)
	}}
}

// moveRelease makes a store of a release that hashicorp/helm managed, with the namespace that it is in.
func moveRelease() resource.StateMover {
	return resource.StateMover{StateMover: func(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
		if req.SourceTypeName != "helm_release" || !providedBy(req.SourceProviderAddress, "hashicorp", "helm") {
			return
		}
		var source struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		}
		if err := decodeSource(req, &source); err != nil || source.Name == "" || source.Namespace == "" {
			notMovable(req, errors.Join(err, errors.New("it has no name or no namespace")), &resp.Diagnostics)
			return
		}
		if source.Name != blueprint.ReleaseName {
			foreignPlace(req, fmt.Sprintf("release %q in namespace %s", source.Name, source.Namespace), &resp.Diagnostics)
			return
		}
		becomeStore(ctx, source.Namespace, req, resp)
	}}
}

// decodeSource decodes what is needed of the source. Its error never has a value of it: a release may hold secrets.
func decodeSource(req resource.MoveStateRequest, into any) error {
	if err := json.Unmarshal(req.SourceRawState.JSON, into); err != nil {
		return fmt.Errorf("it cannot be decoded (%T)", err)
	}
	return nil
}

// becomeStore sets the state of a store of which nothing but its namespace is known. Its identity comes with the first refresh:
// the fleet is part of it, and the provider is not configured yet when Terraform moves state.
func becomeStore(ctx context.Context, namespace string, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	name, found := strings.CutPrefix(namespace, spec.NamespaceOf(""))
	if !found || name == "" {
		foreignPlace(req, "namespace "+namespace, &resp.Diagnostics)
		return
	}
	resp.Diagnostics.Append(resp.TargetState.SetAttribute(ctx, path.Root("name"), name)...)
	resp.Diagnostics.Append(resp.TargetState.SetAttribute(ctx, path.Root("id"), name)...)
	resp.Diagnostics.Append(resp.TargetPrivate.SetKey(ctx, movedFrom, []byte(strconv.Quote(req.SourceTypeName)))...)
}

func notMovable(req resource.MoveStateRequest, err error, diags *diag.Diagnostics) {
	diags.AddError("Resource Not Movable", fmt.Sprintf("Tried to move the state of a %s (provider %s). It came back: %v.\nNothing was changed. Remove the moved block, or bring the source up to date first: apply once with the provider that it comes from.",
		req.SourceTypeName, req.SourceProviderAddress, err))
}

// foreignPlace refuses what lives where no store can live.
func foreignPlace(req resource.MoveStateRequest, what string, diags *diag.Diagnostics) {
	diags.AddError("Not Movable to a Store", fmt.Sprintf(`Tried to make a storeplatform_store of the %s for %s. A store always lives in namespace store-<name>, with one Helm release named %q, and neither can be renamed. Nothing was changed.
  - To keep what is there: remove the moved block, and leave it to the resource that manages it.
  - To have it as a store: create a storeplatform_store beside it, move the data there, then delete the old one.
  - To stop managing it without deleting it: a removed block with lifecycle { destroy = false }.`, req.SourceTypeName, what, blueprint.ReleaseName))
}

// warnMoved tells what comes of a moved store that no apply has adopted yet. from is the note of its move.
func warnMoved(name string, from []byte, diags *diag.Diagnostics) {
	text := fmt.Sprintf("Store %q was moved here from another resource, and namespace %s is not a store of this fleet yet. State has nothing but its name. "+
		"An apply with adopt_existing = true takes the namespace over.", name, spec.NamespaceOf(name))
	if string(from) == strconv.Quote("helm_release") {
		text += fmt.Sprintf(" It also upgrades release %q to the chart of the store's engine: objects of the same kind and name become the store's, all others stay. Save the data first.", blueprint.ReleaseName)
	}
	diags.AddWarning("Moved Store Not Adopted Yet", text)
}
