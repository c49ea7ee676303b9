resource "storeplatform_plan" "gold" {
  name   = "gold"
  preset = "premium"
}

variable "admin_password" {
  description = "Password of the administrator. It is in no plan and no state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

# WordPress with WooCommerce on MariaDB.
resource "storeplatform_store" "acme" {
  name  = "acme"
  owner = "team-acme"
  plan  = storeplatform_plan.gold.ref
  host  = "shop.acme.example"

  woocommerce = {
    title                     = "Acme"
    admin_email               = "shop@acme.example"
    admin_password_wo         = var.admin_password
    admin_password_wo_version = 1
  }

  storage = {
    class    = "fast"
    database = "10Gi"
  }
}

# Medusa on PostgreSQL, with the image of your shop.
resource "storeplatform_store" "atelier" {
  name  = "atelier"
  owner = "team-atelier"
  plan  = "premium"

  medusa = {
    image       = "registry.example.com/atelier/medusa:2.21.2"
    admin_email = "shop@atelier.example"
    cache       = true
    worker      = true
  }
}

# A chart of your own inside the same guardrails.
resource "storeplatform_store" "custom" {
  name   = "custom"
  owner  = "team-custom"
  egress = "none"

  chart = {
    source  = "oci://registry.example.com/charts/shop"
    version = "1.4.2"
    service = "shop"
    values  = yamlencode({ replicas = 2, storageClass = "fast" })
  }

  timeouts = {
    create = "20m"
  }
}
