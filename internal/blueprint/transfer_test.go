package blueprint_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Two stores that get a backup of the same one at once must not take each other's policy and token for their own.
func TestTransfersDoNotMeet(t *testing.T) {
	seen := make(map[string]bool)
	for _, receiver := range []string{"beta", "gamma", strings.Repeat("x", spec.MaxNameLength)} {
		policies, secrets := blueprint.Transfer("test", spec.Store{Name: "acme"}, spec.Store{Name: receiver})
		for _, o := range slices.Concat(policies, secrets) {
			key := o.GetNamespace() + " " + o.GetKind() + " " + o.GetName()
			if seen[key] {
				t.Errorf("two transfers have %s", key)
			}
			seen[key] = true
			if wrong := validation.IsDNS1123Label(o.GetName()); len(wrong) > 0 {
				t.Errorf("%s: %v", key, wrong)
			}
		}
	}
}
