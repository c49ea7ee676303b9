package provider

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
)

// apiProxy is an address of the test cluster's API server with a certificate of its own, where a test can put its own answers
// between.
type apiProxy struct {
	t          *testing.T
	address    string
	kubeconfig string // path of a file that points to it
	server     *http.Server
	behind     http.Handler // the test cluster
}

// newAPIProxy makes a proxy that does not listen yet.
func newAPIProxy(t *testing.T, a acceptance) *apiProxy {
	t.Helper()
	p := &apiProxy{t: t, address: closedAddress(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: "https://" + p.address, CertificateAuthorityData: certificate}
	config.AuthInfos["proxy"] = &clientcmdapi.AuthInfo{Token: canary}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "proxy"}
	config.CurrentContext = "proxy"
	if err := clientcmd.WriteToFile(*config, p.kubeconfig); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(a.cluster.RESTConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(a.cluster.RESTConfig)
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	p.behind = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Authorization") // the cluster's own credentials count
		},
		Transport: transport, FlushInterval: -1, ErrorLog: quiet, // -1: watches stream
	}
	p.server = &http.Server{
		Handler: p.behind, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ErrorLog: quiet, ReadHeaderTimeout: time.Minute,
	}
	return p
}

// listen opens the port, and closes it when the test ends. Each connection goes through accept.
func (p *apiProxy) listen(accept func(net.Listener) net.Listener) {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Error(err)
		return
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := p.server.ServeTLS(accept(listener), "", ""); err != http.ErrServerClosed {
			p.t.Error(err)
		}
	})
	p.t.Cleanup(func() {
		if err := p.server.Close(); err != nil {
			p.t.Error(err)
		}
		served.Wait()
	})
}

// bootPhase is how an API server shows itself while its cluster boots.
type bootPhase int

const (
	portClosed         bootPhase = iota // nothing listens
	connectionsDropped                  // connections break off in the TLS handshake
	nobodyKnown                         // 401, as before the users are loaded
	notReady                            // 503
	booted                              // it is the test cluster
)

// boot simulates a cluster that boots: the API server of the test cluster, reached through phases. Each phase lasts for a
// number of tries, whenever they come, or for ever.
type boot struct {
	*apiProxy
	mu    sync.Mutex
	phase bootPhase
	tries int
	stuck bool
}

// triesAPhase is how many tries a phase lasts.
const triesAPhase = 2

func newBoot(t *testing.T, a acceptance) *boot {
	t.Helper()
	b := &boot{apiProxy: newAPIProxy(t, a)}
	b.server.Handler = b
	return b
}

// sees counts a try and tells whether it falls into the phase.
func (b *boot) sees(phase bootPhase) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != phase {
		return false
	}
	if b.tries++; !b.stuck && b.tries >= triesAPhase {
		b.enter(phase + 1)
	}
	return true
}

// enter begins a phase. Once the port is open it stays open.
func (b *boot) enter(phase bootPhase) {
	if b.phase == portClosed && phase != portClosed {
		b.listen(func(listener net.Listener) net.Listener { return dropping{listener, b} })
	}
	b.phase, b.tries = phase, 0
}

// stay makes a phase last for ever.
func (b *boot) stay(phase bootPhase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enter(phase)
	b.stuck = true
}

// Write is told each line that the provider logs, which is how tries on a closed port are counted.
func (b *boot) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "waiting for the cluster") {
		b.sees(portClosed)
	}
	return len(line), nil
}

// dropping hangs up on connections after the first half of the TLS handshake, in that phase.
type dropping struct {
	net.Listener
	boot *boot
}

func (d dropping) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || !d.boot.sees(connectionsDropped) {
			return conn, err
		}
		_, _ = conn.Read(make([]byte, 4096))
		_ = conn.Close() // the client may have closed it already
	}
}

// ServeHTTP implements [http.Handler].
func (b *boot) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case b.sees(nobodyKnown):
		w.WriteHeader(http.StatusUnauthorized)
	case b.sees(notReady):
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		b.behind.ServeHTTP(w, req)
	}
}

// factories make providers whose log of an apply goes to the boot.
func (b *boot) factories() map[string]func() (tfprotov6.ProviderServer, error) {
	out := factories()
	for name, connect := range out {
		out[name] = func() (tfprotov6.ProviderServer, error) {
			server, err := connect()
			return loggedProvider{server, b}, err
		}
	}
	return out
}

type loggedProvider struct {
	tfprotov6.ProviderServer
	log io.Writer
}

// ApplyResourceChange implements [tfprotov6.ProviderServer].
func (p loggedProvider) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	return p.ProviderServer.ApplyResourceChange(tflogtest.RootLogger(valueless{ctx}, p.log), req) //nolint:contextcheck // valueless wraps ctx
}

// valueless is a context without values: one of those of the test framework is a logger, which would win.
type valueless struct{ context.Context }

// Value implements [context.Context].
func (valueless) Value(any) any { return nil }

// otherCluster is the test cluster under another UID, simulated: as if another cluster answered at the configured address, which
// happens to have the same objects.
func otherCluster(t *testing.T, a acceptance, uid string) *apiProxy {
	t.Helper()
	p := newAPIProxy(t, a)
	system, err := a.cluster.Client().CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	proxy, ok := p.behind.(*httputil.ReverseProxy)
	if !ok {
		t.Fatal("no reverse proxy")
	}
	proxy.ModifyResponse = func(resp *http.Response) error {
		if resp.Request.URL.Path != "/api/v1/namespaces/kube-system" {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		other := strings.ReplaceAll(string(body), string(system.UID), uid)
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(other)), int64(len(other))
		resp.Header.Set("Content-Length", fmt.Sprint(len(other)))
		return nil
	}
	p.listen(func(listener net.Listener) net.Listener { return listener })
	return p
}
