data "storeplatform_cluster" "this" {}

# Warns at every plan when the cluster is not fit for stores.
check "cluster" {
  assert {
    condition     = alltrue([for check in data.storeplatform_cluster.this.checks : check.status != "fail"])
    error_message = join("\n", [for check in data.storeplatform_cluster.this.checks : "${check.message} ${check.fix}" if check.status == "fail"])
  }
}
