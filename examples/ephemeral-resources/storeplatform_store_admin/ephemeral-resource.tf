resource "storeplatform_store" "acme" {
  name  = "acme"
  owner = "team-acme"
  host  = "shop.acme.example"

  woocommerce = {
    title       = "Acme"
    admin_email = "shop@acme.example"
  }
}

# The login of the store that the same apply makes: cluster_uid is known only once the store is there.
ephemeral "storeplatform_store_admin" "acme" {
  store       = storeplatform_store.acme.name
  cluster_uid = storeplatform_store.acme.cluster_uid
}

# Hand it on to a write-only attribute, a provider or a program: none of them keeps it in state. This one writes it to a file that only
# its owner may read.
resource "terraform_data" "acme_login" {
  provisioner "local-exec" {
    command = "umask 077 && printf '%s\\n' \"$URL\" \"$USER\" \"$PASSWORD\" >acme-login.txt"
    environment = {
      URL      = ephemeral.storeplatform_store_admin.acme.url
      USER     = ephemeral.storeplatform_store_admin.acme.user
      PASSWORD = ephemeral.storeplatform_store_admin.acme.password
    }
  }
}
