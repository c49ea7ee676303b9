data "storeplatform_store" "acme" {
  name = "acme"
}

# Warns at every plan when the store is not ready, and says why.
check "acme" {
  assert {
    condition = data.storeplatform_store.acme.ready
    error_message = join("\n", concat(
      ["Store acme is not ready."],
      compact([data.storeplatform_store.acme.failure]),
      [for cause in data.storeplatform_store.acme.causes : "${cause.object}: ${cause.message}"],
    ))
  }
}

output "acme_memory" {
  value = "${data.storeplatform_store.acme.quota["limits.memory"].used} of ${data.storeplatform_store.acme.quota["limits.memory"].hard}"
}
