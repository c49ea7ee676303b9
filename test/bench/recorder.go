package main

import (
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// recorder stands between a provider and the API server and counts what passes: nobody else's requests.
type recorder struct {
	server *httptest.Server

	mu     sync.Mutex
	record record
}

// record is what passed in a while.
type record struct {
	Requests map[string]int `json:"requests"` // by verb
	Paths    map[string]int `json:"paths"`    // by verb and resource
	Writes   int            `json:"writes"`   // neither reads nor dry runs
	Received int64          `json:"received"` // bytes of responses, compressed as they were

	first, last time.Time
}

func newRecord() record {
	return record{Requests: make(map[string]int), Paths: make(map[string]int)}
}

// total is the number of requests.
func (r record) total() int {
	sum := 0
	for count := range maps.Values(r.Requests) {
		sum += count
	}
	return sum
}

func startRecorder(config *rest.Config) (*recorder, error) {
	config = rest.CopyConfig(config)
	config.DisableCompression = true // what the client asked for decides
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	r := &recorder{record: newRecord()}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(req *httputil.ProxyRequest) { req.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ModifyResponse: func(resp *http.Response) error {
			resp.Body = countedBody{resp.Body, r}
			return nil
		},
		// The client is told, and gives up most watches itself.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	r.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.count(req)
		proxy.ServeHTTP(w, req)
	}))
	r.server.EnableHTTP2 = true
	r.server.StartTLS()
	return r, nil
}

// writeKubeconfig writes a kubeconfig that leads through the recorder.
func (r *recorder) writeKubeconfig(path string) error {
	config := api.NewConfig()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	config.Clusters["bench"] = &api.Cluster{Server: r.server.URL, CertificateAuthorityData: authority}
	config.AuthInfos["bench"] = &api.AuthInfo{}
	config.Contexts["bench"] = &api.Context{Cluster: "bench", AuthInfo: "bench"}
	config.CurrentContext = "bench"
	return clientcmd.WriteToFile(*config, path)
}

func (r *recorder) count(req *http.Request) {
	verb, resource := kubernetesVerb(req)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record.first.IsZero() {
		r.record.first = now
	}
	r.record.last = now
	if req.Method != http.MethodGet && req.URL.Query().Get("dryRun") == "" {
		r.record.Writes++
	} else if req.Method != http.MethodGet {
		verb += " (dry run)"
	}
	r.record.Requests[verb]++
	r.record.Paths[verb+" "+resource]++
}

// take returns what passed since the last call.
func (r *recorder) take() record {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.record
	r.record = newRecord()
	return taken
}

// kubernetesVerb tells what a request asks for in the words of the API server's metrics, and of which resource.
func kubernetesVerb(req *http.Request) (verb, resource string) {
	verb = req.Method
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2: // api/v1/pods
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3: // apis/apps/v1/deployments
		parts = parts[3:]
	default:
		return verb, strings.Join(parts, "/") // discovery
	}
	if parts[0] == "namespaces" && len(parts) > 2 { // namespaces/store-acme/pods
		parts = parts[2:]
	}
	switch {
	case req.Method == http.MethodGet && req.URL.Query().Get("watch") != "":
		verb = "WATCH"
	case req.Method == http.MethodGet && len(parts) == 1:
		verb = "LIST"
	case req.Method == http.MethodPatch && strings.HasPrefix(req.Header.Get("Content-Type"), "application/apply-patch"):
		verb = "APPLY"
	}
	if len(parts) > 2 {
		return verb, parts[0] + "/" + parts[2]
	}
	return verb, parts[0]
}

type countedBody struct {
	io.ReadCloser
	recorder *recorder
}

// Read counts what it reads.
func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.recorder.mu.Lock()
	defer b.recorder.mu.Unlock()
	b.recorder.record.Received += int64(n)
	return n, err
}
