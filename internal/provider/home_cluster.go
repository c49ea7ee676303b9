package provider

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// homeCluster is the key in private state of the UID of the cluster that a plan or a domain was made in. A store has it in
// state.
const homeCluster = "cluster_uid"

// privateState is what Terraform keeps of a resource and never shows.
type privateState interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// homeOf reads the UID of the cluster that a resource was made in. It is empty in a state that is older than that.
func homeOf(ctx context.Context, private privateState, diags *diag.Diagnostics) string {
	return privateText(ctx, private, homeCluster, diags)
}

// privateText reads a text in private state, empty when it is not there.
func privateText(ctx context.Context, private privateState, key string, diags *diag.Diagnostics) string {
	data, more := private.GetKey(ctx, key)
	diags.Append(more...)
	if len(data) == 0 {
		return ""
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		diags.AddError("Private State Not Readable", fmt.Sprintf("%s in private state is no text: %v. This is a defect of the provider: please report it.", key, err))
	}
	return text
}

// settle notes the cluster that the provider points to as the one that a resource was made in.
func (p *platform) settle(ctx context.Context, try attempt, private privateState, diags *diag.Diagnostics) {
	uid, err := p.client.ClusterUID(ctx)
	if err != nil {
		diags.Append(try.diagnose(err)...)
		return
	}
	data, err := json.Marshal(uid)
	if err != nil {
		diags.Append(try.diagnose(err)...)
		return
	}
	diags.Append(private.SetKey(ctx, homeCluster, data)...)
}

// here tells whether the provider points to the cluster that a resource was made in, before anything of it is read. Another
// cluster does not have it, whatever it has by that name: it is taken out of state.
func (p *platform) here(ctx context.Context, try attempt, home string, resp *resource.ReadResponse) bool {
	uid, err := p.clusterUID(ctx)
	switch {
	case err != nil:
		resp.Diagnostics.Append(try.diagnose(err)...)
		return false
	case home != "" && home != uid:
		resp.Diagnostics.AddWarning("Cluster Is Another One", fmt.Sprintf("%s was made in the cluster with UID %s, but the provider now points to the one with UID %s. "+
			"It is taken out of state, and planned to be created in the new cluster. Point the provider back if that is not what you want.", sentenceStart(try.object()), home, uid))
		resp.State.RemoveResource(ctx)
		return false
	default:
		return true
	}
}

// awaitHome waits for the cluster, as await does, and refuses to touch a resource that was made in another one. Only a plan
// that did not refresh leads there.
func (p *platform) awaitHome(ctx context.Context, try attempt, home string, diags *diag.Diagnostics) bool {
	if diags.HasError() || !p.await(ctx, diags) {
		return false
	}
	uid, err := p.client.ClusterUID(ctx)
	switch {
	case err != nil:
		diags.Append(try.diagnose(err)...)
		return false
	case home != "" && home != uid:
		diags.AddError("Cluster Is Another One", fmt.Sprintf("%s It was made in the cluster with UID %s, but the provider points to the one with UID %s. Nothing was touched.\n"+
			"Point the provider back to its cluster. If that is gone, plan again without -refresh=false: the resource is then taken out of state, and planned to be created in the new cluster.", try.tried(), home, uid))
		return false
	default:
		return true
	}
}
