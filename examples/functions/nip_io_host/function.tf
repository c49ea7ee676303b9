data "storeplatform_cluster" "this" {}

resource "storeplatform_store" "trial" {
  name  = "trial"
  owner = "team-acme"
  host  = provider::storeplatform::nip_io_host("trial", data.storeplatform_cluster.this.addresses[0]) # trial.203-0-113-10.nip.io

  woocommerce = {
    title       = "Trial"
    admin_email = "shop@acme.example"
  }
}
