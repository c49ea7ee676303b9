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

variable "wordpress_version" {
  type    = string
  default = null
}

variable "restore_from" {
  type    = string
  default = null
}

variable "branch_from" {
  type    = string
  default = null
}

provider "storeplatform" {
  owner = "team-acme"
}

resource "storeplatform_store" "acme" {
  name = "acme"
  plan = "basic"
  host = "shop.acme.example"

  woocommerce = {
    title             = "Acme"
    admin_email       = "shop@acme.example"
    wordpress_version = var.wordpress_version
    plugin_source     = var.plugin_source
    plugin_sha256     = var.plugin_sha256
  }

  restore_from        = var.restore_from
  deletion_protection = false
  data_retention      = "delete"
  timeouts            = { update = "8m" }
}

resource "storeplatform_store" "branch" {
  count = var.branch_from == null ? 0 : 1

  name = "branch"
  plan = "basic"
  host = "branch.acme.example"

  woocommerce = {
    title             = "Branch"
    admin_email       = "branch@acme.example"
    wordpress_version = var.wordpress_version
    plugin_source     = var.plugin_source
    plugin_sha256     = var.plugin_sha256
  }

  restore_from        = var.branch_from
  deletion_protection = false
  data_retention      = "delete"
}
