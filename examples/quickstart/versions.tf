terraform {
  required_version = ">= 1.11"

  required_providers {
    storeplatform = {
      source = "storeplatform/storeplatform"
    }
  }
}
