resource "storeplatform_domain" "acme" {
  store = "acme"
  host  = "www.acme.example"
}

# What the owner of the domain has to do, one line a record.
output "dns_tasks" {
  value = [for record in storeplatform_domain.acme.records : record.message if record.status != "ok"]
}
