import {
  to = storeplatform_plan.gold
  identity = {
    name = "gold"
  }
}
