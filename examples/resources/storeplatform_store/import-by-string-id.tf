import {
  to = storeplatform_store.acme
  id = "acme"
}
