// Package stores_test applies stores with a real Terraform on the node of test/node and looks at them as a shopper, as an
// administrator and as the machine: over HTTP through the ingress controller, and in /proc. `make test-node` runs it. Without
// such a node it is skipped.
package stores_test

import (
	"embed"
	"flag"
	"os"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// testdata is embedded, because the tests are built in one place and run in another.
//
//go:embed testdata
var testdata embed.FS

// Programs that the tests use.
var (
	cli      = flag.String("cli", "", "Terraform or OpenTofu to run")
	provider = flag.String("provider", "", "directory of the provider's binary")
	pictures = flag.String("pictures", "", "directory that receives what the browser shows (default: none)")
)

// Variables that testnode sets.
const (
	kubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG"
	dnsVariable        = "STOREPLATFORM_TEST_DNS"
	nodeVariable       = "STOREPLATFORM_TEST_NODE"
)

// connect returns a client of the node's cluster, and skips the test where there is no node.
func connect(t *testing.T) kubernetes.Interface {
	t.Helper()
	if os.Getenv(nodeVariable) == "" {
		t.Skip("There is no real node: run `make test-node` as root on Debian.")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(kubeconfigVariable))
	if err != nil {
		t.Fatalf("Read kubeconfig: %v", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("Create client: %v", err)
	}
	return client
}
