variable "config_path" {
  description = "Path of the cluster's kubeconfig. Null: from the environment (KUBE_CONFIG_PATH or STOREPLATFORM_KUBECONFIG)."
  type        = string
  default     = null
}

variable "base_domain" {
  description = "Domain under which every store gets a host."
  type        = string
  default     = "acme.example"
}

variable "deletion_protection" {
  description = "Refuse everything that would delete a store. Set to false and apply before destroying."
  type        = bool
  default     = true
}

variable "data_retention" {
  description = "What deleting a store does to its volumes: retain or delete."
  type        = string
  default     = "retain"

  validation {
    condition     = contains(["retain", "delete"], var.data_retention)
    error_message = "Must be retain or delete."
  }
}
