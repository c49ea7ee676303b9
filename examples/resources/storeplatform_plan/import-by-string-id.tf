import {
  to = storeplatform_plan.gold
  id = "gold"
}
