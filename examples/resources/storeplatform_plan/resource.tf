# A preset with other values: what is not set comes from the preset.
resource "storeplatform_plan" "gold" {
  name   = "gold"
  preset = "premium"
  memory = "12Gi"

  jobs = {
    memory = "4Gi"
  }
}
