provider "storeplatform" {
  config_path = var.config_path
  base_domain = var.base_domain
}

data "storeplatform_cluster" "this" {}

resource "storeplatform_plan" "standard" {
  name   = "standard"
  cpu    = "2"
  memory = "4Gi"
  pods   = 10
}

resource "storeplatform_store" "acme" {
  name  = "acme"
  owner = "team-acme"
  plan  = storeplatform_plan.standard.ref

  woocommerce = {
    title       = "Acme"
    admin_email = "shop@acme.example"
  }

  deletion_protection = var.deletion_protection
  data_retention      = var.data_retention
}

resource "storeplatform_store" "atelier" {
  name  = "atelier"
  owner = "team-atelier"
  plan  = storeplatform_plan.standard.ref

  medusa = {
    image       = "registry.example.com/atelier/medusa:2.21.2" # the image of your own shop
    admin_email = "shop@atelier.example"
  }

  deletion_protection = var.deletion_protection
  data_retention      = var.data_retention
}

resource "storeplatform_domain" "acme" {
  store = storeplatform_store.acme.name
  host  = "shop.${var.base_domain}"
}
