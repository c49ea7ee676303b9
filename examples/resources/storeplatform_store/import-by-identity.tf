import {
  to = storeplatform_store.acme
  identity = {
    name = "acme"
  }
}
