package main

import (
	"fmt"
	"strings"
)

// subject is a way of managing things with the CLI.
type subject struct {
	name      string
	providers map[string]string // programs by source, such as "hashicorp/helm"
	files     map[string][]byte // of the configuration; it has the variables "things", their number, and "qps"
}

// everyThing is the for_each of a resource, and a local value in [variables]. Of the ways to write it, it costs the CLI least: a
// set is sorted, and an expression evaluated, once for each instance.
const (
	everyThing  = `local.things`
	everyThings = `{ for i in range(var.things) : format("bench-%04d", i) => i }`
)

const variables = `
variable "things" {
  type = number
}

variable "qps" {
  type    = number
  default = null
}

locals {
  things = ` + everyThings + `
}
`

const storesConfig = variables + `
terraform {
  required_providers {
    storeplatform = {
      source = "storeplatform/storeplatform"
    }
  }
}

provider "storeplatform" {
  config_path = "KUBECONFIG"
  fleet       = "bench"
  base_domain = "stores.example.test"
  qps         = var.qps
}

resource "storeplatform_plan" "standard" {
  name = "standard"
}

resource "storeplatform_store" "store" {
  for_each = ` + everyThing + `

  name  = each.key
  owner = "bench"
  plan  = storeplatform_plan.standard.ref

  woocommerce = {
    title       = "Store ${each.key}"
    admin_email = "shop@example.test"
  }
}
`

// stores are managed by our provider.
func stores(program, kubeconfig string) subject {
	return subject{
		name:      "storeplatform",
		providers: map[string]string{"storeplatform/storeplatform": program},
		files:     map[string][]byte{"main.tf": []byte(strings.Replace(storesConfig, "KUBECONFIG", kubeconfig, 1))},
	}
}

const textsConfig = variables + `
terraform {
  required_providers {
    nothing = {
      source = "bench/nothing"
    }
  }
}

resource "nothing_text" "text" {
  for_each = ` + everyThing + `

  content = "CONTENT"
}
`

// texts of that many bytes are managed by a provider that does nothing: the share of the CLI.
func texts(program string, size int64) subject {
	return subject{
		name:      fmt.Sprintf("nothing (%d bytes each)", size),
		providers: map[string]string{"bench/nothing": program},
		files:     map[string][]byte{"main.tf": []byte(strings.Replace(textsConfig, "CONTENT", strings.Repeat("x", int(size)), 1))},
	}
}
