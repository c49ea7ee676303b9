import {
  to = storeplatform_domain.acme
  id = "www.acme.example"
}
