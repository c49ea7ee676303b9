# The id is the name of the plan.
terraform import storeplatform_plan.gold gold
