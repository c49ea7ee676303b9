terraform {
  required_providers {
    storeplatform = {
      source = "storeplatform/storeplatform"
    }
  }
}

variable "plugin_source" {
  type = string
}

variable "plugin_sha256" {
  type = string
}

provider "storeplatform" {
  owner = "team-acme"
}

resource "storeplatform_store" "acme" {
  name = "acme"
  plan = "basic"
  host = "shop.acme.example"

  woocommerce = {
    title         = "Acme \"& Sons\""
    admin_email   = "shop@acme.example"
    plugin_source = var.plugin_source
    plugin_sha256 = var.plugin_sha256
  }

  deletion_protection = false
  data_retention      = "delete"
}
