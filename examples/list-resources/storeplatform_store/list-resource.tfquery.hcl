# Writes an import block and a resource for each store: terraform query -generate-config-out=stores.tf
list "storeplatform_store" "acme" {
  provider         = storeplatform
  include_resource = true
  limit            = 500 # default 100

  config {
    owner = "team-acme"
  }
}
