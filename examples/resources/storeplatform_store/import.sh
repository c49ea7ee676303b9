# The id is the name of the store.
terraform import storeplatform_store.acme acme
