terraform {
  required_version = ">= 1.11"

  required_providers {
    storeplatform = {
      source = "storeplatform/storeplatform"
    }
  }
}

provider "storeplatform" {
  config_path = "~/.kube/config"
  owner       = "team-acme"
  base_domain = "shops.example.com" # store "acme" answers to acme.shops.example.com
}
