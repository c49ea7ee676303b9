package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// ValidateConfig implements [resource.ResourceWithValidateConfig]. It judges every value that is known.
func (r *storeResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config storeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() || !config.oneEngine(&resp.Diagnostics) {
		return
	}
	unknown := config.unknownInputs()
	s := config.spec(&resp.Diagnostics)
	if unknown["plan"] {
		s.Plan = unboundedPlan
	}
	var known spec.FieldErrors
	for _, one := range spec.FieldErrorsOf(s.Validate()) {
		if !undecided(one, unknown, config) {
			known = append(known, one)
		}
	}
	fieldErrors(known, &resp.Diagnostics)
	config.validateTimeouts(&resp.Diagnostics)
}

// unboundedPlan stands for a plan that is not known yet: everything fits.
var unboundedPlan = func() spec.PlanRef {
	const much = "1P"
	return spec.Plan{Name: "unknown", CPU: much, Memory: much, Pods: 1 << 20, Storage: much, MaxVolume: much}.Ref()
}()

// undecided tells whether an error is about a value that is not known yet, or that the provider may still fill in.
func undecided(err *spec.FieldError, unknown map[string]bool, config storeModel) bool {
	if err.Path == "owner" && config.Owner.IsNull() {
		return true
	}
	for at := err.Path; at != ""; at = at[:max(0, strings.LastIndexByte(at, '.'))] {
		if unknown[at] {
			return true
		}
	}
	// Which WordPress is old enough depends on the WooCommerce, and which PHP will do on the WordPress.
	return err.Path == "woocommerce.wordpress_version" && unknown["woocommerce.version"] ||
		err.Path == "woocommerce.php_version" && unknown["woocommerce.wordpress_version"]
}

// oneEngine reports a store with two engines or none.
func (m storeModel) oneEngine(diags *diag.Diagnostics) bool {
	var set []string
	for _, engine := range []struct {
		kind  spec.EngineKind
		value types.Object
	}{{spec.KindWooCommerce, m.WooCommerce}, {spec.KindMedusa, m.Medusa}, {spec.KindChart, m.Chart}} {
		switch {
		case engine.value.IsUnknown():
			return true
		case !engine.value.IsNull():
			set = append(set, string(engine.kind))
		}
	}
	switch len(set) {
	case 0:
		diags.AddError("Missing Engine", "The store has no engine. Set exactly one of woocommerce, medusa and chart.")
	case 1:
		return true
	default:
		diags.AddAttributeError(path.Root(set[1]), "Conflicting Engines", fmt.Sprintf("The store has %d engines: %s. Set exactly one of woocommerce, medusa and chart.", len(set), strings.Join(set, " and ")))
	}
	return false
}

func (m storeModel) validateTimeouts(diags *diag.Diagnostics) {
	for name, value := range m.Timeouts.Attributes() {
		text, ok := value.(types.String)
		if !ok || text.IsNull() || text.IsUnknown() {
			continue
		}
		if _, err := parseTimeout(text.ValueString()); err != nil {
			invalid(path.Root("timeouts").AtName(name), text.ValueString(), err.Error(), diags)
		}
	}
}

// unknownInputs lists what the specification needs and does not know yet, by dotted name.
func (m storeModel) unknownInputs() map[string]bool {
	out := make(map[string]bool)
	for name, value := range map[string]attr.Value{
		"name": m.Name, "owner": m.Owner, "plan": m.Plan, "host": m.Host, "storage": m.Storage, "egress": m.Egress,
		"deletion_protection": m.DeletionProtection, "data_retention": m.DataRetention, "adopt_existing": m.AdoptExisting,
		"ignore_drift": m.IgnoreDrift, "on_failure": m.OnFailure, "rollback_to": m.RollbackTo,
		"backup": m.Backup, "restore_from": m.RestoreFrom, "rotation": m.Rotation,
		"woocommerce": m.WooCommerce, "medusa": m.Medusa, "chart": m.Chart,
	} {
		collectUnknown(name, value, out)
	}
	return out
}

func collectUnknown(at string, value attr.Value, out map[string]bool) {
	if strings.HasSuffix(at, "_wo_version") || strings.HasSuffix(at, "_wo") {
		return // no part of the specification
	}
	if value.IsUnknown() {
		out[at] = true
		return
	}
	switch collection := value.(type) {
	case types.Object:
		for name, item := range collection.Attributes() {
			collectUnknown(at+"."+name, item, out)
		}
	case types.List:
		for _, item := range collection.Elements() {
			collectUnknown(at, item, out)
		}
	}
}
