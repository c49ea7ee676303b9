import {
  to = storeplatform_domain.acme
  identity = {
    host = "www.acme.example"
  }
}
