# terraform apply -invoke=action.storeplatform_store_backup.acme
action "storeplatform_store_backup" "acme" {
  config {
    store = storeplatform_store.acme.name
  }
}
