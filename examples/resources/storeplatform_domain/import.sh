# The id is the host.
terraform import storeplatform_domain.acme www.acme.example
