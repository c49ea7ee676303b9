terraform {
  required_providers {
    storeplatform = {
      source = "storeplatform/storeplatform"
    }
  }
}

provider "storeplatform" {
  owner = "team-atelier"
}

resource "storeplatform_store" "atelier" {
  name = "atelier"
  plan = "premium"
  host = "medusa.acme.example"

  medusa = {
    image       = "registry.example.com/stores/medusa:2.21.2"
    admin_email = "shop@atelier.example"
    cache       = true
    worker      = true
  }

  deletion_protection = false
  data_retention      = "delete"
}
