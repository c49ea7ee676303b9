output "cluster" {
  description = "Version of the cluster and what it lacks for stores."
  value = {
    version  = data.storeplatform_cluster.this.version
    problems = [for check in data.storeplatform_cluster.this.checks : check.message if check.status != "pass"]
  }
}

output "urls" {
  description = "Address of each store."
  value = {
    acme    = storeplatform_store.acme.url
    atelier = storeplatform_store.atelier.url
    domain  = storeplatform_domain.acme.url
  }
}

output "namespaces" {
  description = "Namespace of each store."
  value = {
    acme    = storeplatform_store.acme.namespace
    atelier = storeplatform_store.atelier.namespace
  }
}

output "dns_records" {
  description = "Records that the domain needs, and whether they are there."
  value = [
    for record in storeplatform_domain.acme.records :
    "${record.name} ${record.type} ${coalesce(record.value, "(none)")}: ${record.status}"
  ]
}
