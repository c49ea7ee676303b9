package provider

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

const planAddress = "storeplatform_plan.test"

func TestAccPlan(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	plan := block{"name": `"gold"`}
	config := func() string { return a.config(plan.resource("storeplatform_plan")) }
	steps := []resource.TestStep{{
		Config:           config(),
		ConfigPlanChecks: emptyAfter,
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue(planAddress, tfjsonpath.New("id"), knownvalue.StringExact("gold")),
			statecheck.ExpectKnownValue(planAddress, tfjsonpath.New("preset"), knownvalue.StringExact("standard")),
			statecheck.ExpectKnownValue(planAddress, tfjsonpath.New("cpu"), knownvalue.StringExact("2")),
			statecheck.ExpectKnownValue(planAddress, tfjsonpath.New("jobs").AtMapKey("pods"), knownvalue.Int64Exact(5)),
			statecheck.ExpectKnownValue(planAddress, tfjsonpath.New("ref"), knownvalue.StringRegexp(regexp.MustCompile("^gold@cpu=2,"))),
		},
	}, importOf(planAddress), importBlockOf(planAddress, config())}
	for _, change := range [][2]string{
		{"cpu", `"3"`},
		{"memory", `"5Gi"`},
		{"pods", "12"},
		{"storage", `"60Gi"`},
		{"max_volume", `"40Gi"`},
		{"jobs", `{ cpu = "1500m", pods = 6 }`},
		{"jobs", `{ cpu = "1500m", memory = "2Gi", pods = 6 }`},
		{"jobs", ""},
		{"container", `{ request_cpu = "50m" }`},
		{"container", `{ request_cpu = "50m", request_memory = "64Mi", limit_cpu = "250m", limit_memory = "256Mi" }`},
		{"container", ""},
		{"preset", `"premium"`},
	} {
		plan = plan.with(change[0], change[1])
		steps = append(steps, updateOf(planAddress, config()))
	}
	// Every value of another preset, one of them in another spelling: only the record can tell.
	plan = block{
		"name": `"gold"`, "preset": `"premium"`, "cpu": `"2000m"`, "memory": `"4Gi"`, "pods": "10", "storage": `"50Gi"`, "jobs": `{ cpu = "1", memory = "1Gi", pods = 5 }`,
	}
	steps = append(steps, updateOf(planAddress, config()), importOf(planAddress), importBlockOf(planAddress, config()))
	plan = plan.with("max_volume", `"50Gi"`).with("preset", `"basic"`) // and nothing else
	steps = append(steps, updateOf(planAddress, config()), importOf(planAddress), importBlockOf(planAddress, config()))
	a.run(t, steps...)
}

func TestAccPlanSpellingsAreNoChange(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	none := emptyAfter
	none.PreApply = []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}
	a.run(t,
		resource.TestStep{Config: a.config(block{"name": `"gold"`, "cpu": `"1000m"`, "memory": `"2048Mi"`, "jobs": `{ cpu = "1000m" }`}.resource("storeplatform_plan")), ConfigPlanChecks: emptyAfter},
		resource.TestStep{Config: a.config(block{"name": `"gold"`, "cpu": `"1"`, "memory": `"2Gi"`, "jobs": `{ cpu = "1" }`}.resource("storeplatform_plan")), ConfigPlanChecks: none},
		resource.TestStep{Config: a.config(block{"name": `"gold"`, "cpu": `"1"`, "memory": `"2Gi"`}.resource("storeplatform_plan")), ConfigPlanChecks: none},
	)
}

func TestAccPlanReachesItsStoresInTheSameApply(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	config := func(plan block) string {
		return a.config(plan.resource("storeplatform_plan") + a.store("woocommerce", wooCommerceBlock()).with("plan", "storeplatform_plan.test.ref").resource("storeplatform_store"))
	}
	changed := updateOf(planAddress, config(block{"name": `"gold"`, "pods": "15"}))
	changed.ConfigPlanChecks.PreApply = append(changed.ConfigPlanChecks.PreApply, plancheck.ExpectResourceAction(storeAddress, plancheck.ResourceActionUpdate))
	changed.ConfigStateChecks = []statecheck.StateCheck{
		statecheck.ExpectKnownValue(storeAddress, tfjsonpath.New("quota").AtMapKey("pods"), knownvalue.StringExact("15")),
	}
	const rename = "{ create_before_destroy = true }"
	renamed := config(block{"name": `"silver"`, "pods": "15"})
	a.run(t,
		resource.TestStep{Config: config(block{"name": `"gold"`}), ConfigPlanChecks: emptyAfter},
		changed,
		resource.TestStep{Config: renamed, ExpectError: regexp.MustCompile(`Plan in Use`)},
		resource.TestStep{Config: withLifecycle(renamed, rename), ConfigPlanChecks: emptyAfter},
	)
}

// withLifecycle adds a lifecycle block to the plan of a configuration.
func withLifecycle(config, lifecycle string) string {
	return regexp.MustCompile(`(resource "storeplatform_plan" "test" \{)`).ReplaceAllString(config, fmt.Sprintf("$1\n  lifecycle %s", lifecycle))
}
