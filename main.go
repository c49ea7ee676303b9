// Command terraform-provider-storeplatform serves the Terraform provider storeplatform over plugin protocol 6.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/provider"
)

// version is set by the linker.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "wait for a debugger, and print how Terraform reaches this process")
	flag.Parse()
	if err := quieten(os.Getenv, os.Setenv); err != nil {
		log.Fatal(err)
	}
	var options []tf6server.ServeOpt
	if *debug {
		options = append(options, tf6server.WithManagedDebug())
	}
	if err := tf6server.Serve("registry.terraform.io/storeplatform/storeplatform", provider.Server(version), options...); err != nil {
		log.Fatal(err)
	}
}

// quieten stops the traces of the framework when nobody asked for logs. It would write them all the same, for Terraform to parse
// and throw away: a fifth of what a plan costs.
func quieten(getenv func(string) string, setenv func(name, value string) error) error {
	for _, name := range []string{"TF_LOG", "TF_LOG_PROVIDER", "TF_LOG_SDK"} {
		if getenv(name) != "" {
			return nil
		}
	}
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_PROTO"} {
		if err := setenv(name, "off"); err != nil {
			return err
		}
	}
	return nil
}
