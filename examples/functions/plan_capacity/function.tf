locals {
  stores = {
    acme = "standard"
    beta = "basic"
    gold = storeplatform_plan.gold.ref
  }
  capacity = provider::storeplatform::plan_capacity(values(local.stores)) # { cpu = "9600m", memory = "15Gi", … }

  # The smallest server with room for the stores, and a core and 1 GiB besides for k3s.
  servers = [{ name = "small", cores = 4, gib = 8 }, { name = "medium", cores = 8, gib = 16 }, { name = "large", cores = 16, gib = 32 }]
  server = [
    for server in local.servers : server.name
    if server.cores >= local.capacity.cpu_cores + 1 && server.gib * pow(2, 30) >= local.capacity.memory_bytes + pow(2, 30)
  ][0]
}

resource "storeplatform_plan" "gold" {
  name   = "gold"
  cpu    = "3"
  memory = "6Gi"
}

output "server" {
  value = local.server
}
