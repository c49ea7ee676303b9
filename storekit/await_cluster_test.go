package storekit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// answerFirst makes the first requests to a path get that answer instead of the cluster's.
func answerFirst(times int32, path string, status int, body string) func(*rest.Config) {
	var seen atomic.Int32
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if !strings.HasPrefix(req.URL.Path, path) || seen.Add(1) > times {
					return next.RoundTrip(req)
				}
				return &http.Response{
					StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req,
				}, nil
			})
		})
	}
}

// dialFirst makes the first connections go to another address.
func dialFirst(times int32, other string) func(*rest.Config) {
	var seen atomic.Int32
	return func(config *rest.Config) {
		config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if seen.Add(1) <= times {
				address = other
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
}

// listen serves connections on a port of its own until the test ends, and returns its address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			connections.Go(func() {
				serve(conn)
				_ = conn.Close() // the client may have closed it already
			})
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		connections.Wait()
	})
	return listener.Addr().String()
}

// breakOff reads what a client says first, its half of the TLS handshake, and hangs up.
func breakOff(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }

// keepSilent answers nothing until the client gives up.
func keepSilent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// closedPort is an address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

const (
	noNodes  = `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`
	bareNode = `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"vps"},` +
		`"spec":{"taints":[{"key":"node.cloudprovider.kubernetes.io/uninitialized","value":"true","effect":"NoSchedule"}]}}]}`
	everyAPI = "/api"
)

func TestAwaitClusterThatBoots(t *testing.T) {
	t.Parallel()
	cluster := testcluster.Start(t)
	for name, tc := range map[string]struct {
		reason string
		fault  func(*rest.Config) // of the first two tries
		cause  string
	}{
		"refused":    {"the API server does not listen yet", dialFirst(2, closedPort(t)), "connection refused"},
		"broken off": {"a load balancer has no backend yet", dialFirst(2, listen(t, breakOff)), "broken off"},
		"401":        {"k3s loads its users after it listens", answerFirst(2, everyAPI, 401, ""), "401"},
		"429":        {"too many at once pass", answerFirst(2, everyAPI, 429, ""), "too many requests"},
		"500":        {"etcd has no leader yet", answerFirst(2, everyAPI, 500, ""), "server"},
		"503":        {"k3s says so while it starts", answerFirst(2, everyAPI, 503, ""), "unable to handle the request"},
		"404":        {"the API server makes kube-system after it listens", answerFirst(2, everyAPI, 404, ""), "could not find"},
		"no node":    {"the kubelet registers after the API server answers", answerFirst(2, "/api/v1/nodes", 200, noNodes), "no node yet"},
		"bare node":  {"the node gets its addresses after it has registered", answerFirst(2, "/api/v1/nodes", 200, bareNode), "initialized"},
	} {
		t.Run(name, func(t *testing.T) {
			config := rest.CopyConfig(cluster.RESTConfig)
			tc.fault(config)
			client, err := storekit.Connect(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var causes []string
			if err := client.AwaitCluster(ctx, func(cause string) { causes = append(causes, cause) }); err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if len(causes) != 2 || !strings.Contains(causes[0], tc.cause) {
				t.Errorf("%s: want 2 causes with %q, got %q", tc.reason, tc.cause, causes)
			}
		})
	}
}

func TestAwaitClusterEndsAtOnce(t *testing.T) {
	t.Parallel()
	cluster := testcluster.Start(t)
	for name, tc := range map[string]struct {
		reason string
		fault  func(*rest.Config)
		want   kube.Reason
	}{
		"403":               {"rights come from an administrator", func(c *rest.Config) { *c = *cluster.User(t, "nobody", nil) }, kube.Forbidden},
		"unknown authority": {"it is another cluster", func(c *rest.Config) { c.CAData = nil }, kube.BadTLS},
		"wrong name":        {"it is another server", func(c *rest.Config) { c.ServerName = "other.example" }, kube.BadTLS},
		"port":              {"no such port will ever be", func(c *rest.Config) { c.Host = "https://127.0.0.1:99999" }, kube.BadAddress},
		"scheme":            {"no API server speaks it", func(c *rest.Config) { c.Host = "ftp://127.0.0.1:6443" }, kube.BadAddress},
	} {
		t.Run(name, func(t *testing.T) {
			config := rest.CopyConfig(cluster.RESTConfig)
			tc.fault(config)
			client, err := storekit.Connect(config)
			if err != nil {
				t.Fatal(err)
			}
			err = client.AwaitCluster(t.Context(), func(cause string) { t.Errorf("%s: it waits: %s", tc.reason, cause) })
			var connection *storekit.ConnectionError
			if !errors.As(err, &connection) || connection.Reason != tc.want {
				t.Errorf("%s: want %s, got %v", tc.reason, tc.want, err)
			}
		})
	}
}

func TestAwaitClusterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cluster := testcluster.Start(t)
	const ever = 1 << 30
	connect := func(t *testing.T, fault func(*rest.Config)) *storekit.Client {
		config := rest.CopyConfig(cluster.RESTConfig)
		fault(config)
		client, err := storekit.Connect(config)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	for name, tc := range map[string]struct {
		reason string
		fault  func(*rest.Config)
		cause  string
	}{
		"refused": {"the last cause tells what to look for", dialFirst(ever, closedPort(t)), "connection refused"},
		"silent":  {"a firewall gives no cause", dialFirst(ever, listen(t, keepSilent)), "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := connect(t, tc.fault).AwaitCluster(ctx, func(string) {})
			var notReady *storekit.NotReadyError
			if !errors.As(err, &notReady) || notReady.Waited < time.Second || !strings.Contains(notReady.Cause.Error(), tc.cause) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := connect(t, dialFirst(ever, closedPort(t))).AwaitCluster(ctx, func(string) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("an interruption is no cluster that is not ready: %v", err)
		}
	})
	for name, nodes := range map[string]string{"no node": noNodes, "bare node": bareNode} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			client, last := connect(t, answerFirst(ever, "/api/v1/nodes", 200, nodes)), ""
			if err := client.AwaitCluster(ctx, func(cause string) { last = cause }); err != nil || !strings.Contains(last, "going on") {
				t.Errorf("a cluster may make nodes on demand: %v, %q", err, last)
			}
			if err := client.AwaitCluster(t.Context(), func(string) { t.Error("it waits for a node again") }); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAwaitClusterIsSharedAndCostsNothingAgain(t *testing.T) {
	t.Parallel()
	config := rest.CopyConfig(testcluster.Start(t).RESTConfig)
	answerFirst(2, everyAPI, 503, "")(config)
	var requests atomic.Int32
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			requests.Add(1)
			return next.RoundTrip(req)
		})
	})
	client, err := storekit.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	var waits sync.WaitGroup
	for range 10 {
		waits.Go(func() {
			if err := client.AwaitCluster(t.Context(), func(string) {}); err != nil {
				t.Error(err)
			}
		})
	}
	waits.Wait()
	if err := client.AwaitCluster(t.Context(), func(string) {}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(int32(4), requests.Load()); diff != "" { // two refused, kube-system, nodes
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAwaitClusterForgetsWhatWasReadBefore(t *testing.T) {
	t.Parallel()
	config := rest.CopyConfig(testcluster.Start(t).RESTConfig)
	answerFirst(1, "/api/v1/nodes", 200, noNodes)(config)
	client, err := storekit.Connect(config, storekit.WithSharedReads())
	if err != nil {
		t.Fatal(err)
	}
	before, err := client.Cluster(t.Context())
	if err != nil || len(before.Nodes) > 0 {
		t.Fatalf("want a cluster without nodes: %v, %v", before, err)
	}
	if err := client.AwaitCluster(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	after, err := client.Cluster(t.Context())
	if err != nil || len(after.Nodes) == 0 {
		t.Errorf("the nodes that came meanwhile are not seen: %v, %v", after, err)
	}
}

func TestClusterUID(t *testing.T) {
	t.Parallel()
	cluster := testcluster.Start(t)
	system, err := cluster.Client().CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]storekit.ClientOption{"own reads": nil, "shared reads": {storekit.WithSharedReads()}} {
		client, err := storekit.Connect(cluster.RESTConfig, options...)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := client.ClusterUID(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(system.UID), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}
