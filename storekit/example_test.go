package storekit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// A program makes a store, and changes or repairs it when it is run again. There is no state file.
func Example() {
	ctx := context.Background()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		log.Fatal(err)
	}
	client, err := storekit.Connect(config)
	if err != nil {
		log.Fatal(err)
	}
	fleet := client.Fleet("production")

	var p storekit.Program
	acme := p.AddStore(spec.Store{
		Name: "acme", Owner: "team-acme", Plan: spec.Standard, Host: "shop.acme.example",
		Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"},
	})

	preview, err := fleet.Preview(ctx, &p) // reads, never writes
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(preview)
	if _, err := fleet.Up(ctx, preview, storekit.Progress(os.Stderr)); err != nil {
		log.Fatal(err)
	}
	url, _ := acme.URL.Known()
	fmt.Println(url)
}

// A store that does not become ready says why.
func ExampleStepError() {
	var err error // of Fleet.Up
	var failed *storekit.StepError
	if errors.As(err, &failed) {
		for _, cause := range failed.Causes {
			fmt.Printf("%s %s: %s. %s\n", cause.Code, cause.Object, cause.Message, cause.Fix)
		}
	}
}

// A plan of one's own is named by its reference, which carries its content.
func ExampleProgram_AddPlan() {
	var p storekit.Program
	gold := p.AddPlan(spec.Plan{Name: "gold", CPU: "3", Memory: "6Gi"})
	p.AddStore(spec.Store{Name: "acme", Owner: "team-acme", Plan: gold, Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"}})
	fmt.Println(gold.Name())
	// Output: gold
}
