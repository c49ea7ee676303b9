// Package provider is the Terraform door to storekit: schemas, models and CRUD. It is the only package that imports
// terraform-plugin-*; everything it does to a cluster it does by calling storekit.
//
// It never dials while a plan's provider configuration is unknown, and an error never removes anything from state.
package provider
