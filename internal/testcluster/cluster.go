package testcluster

import (
	"os"
	"sync"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The environment variables that choose a cluster.
const (
	// KubeconfigVariable names the kubeconfig file of a cluster that already runs; `testcluster run` sets it.
	KubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG"
	// DNSVariable is the address of that cluster's name server.
	DNSVariable = "STOREPLATFORM_TEST_DNS"
	// ProgramVariable names the testcluster program to start; without it, bin/testcluster in the repository is, and is
	// built first if it is missing.
	ProgramVariable = "STOREPLATFORM_TEST_CLUSTER"
)

// Address is what load balancers and Ingresses of the cluster get, the external address of its node.
const Address = "192.0.2.10"

// Cluster is a running test cluster, shared by every test of the process.
type Cluster struct {
	// KubeconfigPath is a file with Kubeconfig.
	KubeconfigPath string
	// Kubeconfig is the administrator's kubeconfig. It holds everything in itself and names no file.
	Kubeconfig []byte
	// RESTConfig is the same as a client configuration, without throttling. Copy it before changing it.
	RESTConfig *rest.Config
	// DNS is the address, host:port, of a name server for acme.example and example.test, on UDP and TCP. It is empty for a
	// cluster from the environment that came without one.
	DNS string

	client  kubernetes.Interface
	program readyLine // of a cluster that this process started: it runs as long as that is not closed
}

// shared is the one cluster of the process, or the reason there is none.
var shared = sync.OnceValues(open)

// Start returns the cluster of this test process and boots it on the first call. The test fails if that cannot be done.
func Start(t testing.TB) *Cluster {
	t.Helper()
	cluster, err := shared()
	if err != nil {
		t.Fatalf("Start the test cluster: %v", err)
	}
	return cluster
}

// Client returns a client with the administrator's rights.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// open connects to the cluster of the environment or starts one.
func open() (*Cluster, error) {
	if path := os.Getenv(KubeconfigVariable); path != "" {
		return connect(readyLine{Kubeconfig: path, DNS: os.Getenv(DNSVariable)})
	}
	started, err := launch()
	if err != nil {
		return nil, err
	}
	return connect(started)
}

func connect(to readyLine) (*Cluster, error) {
	c := &Cluster{KubeconfigPath: to.Kubeconfig, DNS: to.DNS, program: to}
	var err error
	if c.Kubeconfig, err = os.ReadFile(c.KubeconfigPath); err != nil {
		return nil, err
	}
	if c.RESTConfig, err = clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig); err != nil {
		return nil, err
	}
	c.RESTConfig.QPS = -1
	if c.client, err = kubernetes.NewForConfig(c.RESTConfig); err != nil {
		return nil, err
	}
	return c, nil
}
