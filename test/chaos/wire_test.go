package chaos

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// request is a request to the API server, as far as it tells what it is about.
type request struct {
	Method    string
	Path      string
	Namespace string // empty for what is in none
	Name      string // of the object; empty for a list
	Kind      string // plural, such as "configmaps"; empty for what is not about objects
	DryRun    bool
}

// String is "POST /api/v1/namespaces store-acme".
func (r request) String() string {
	if strings.HasSuffix(r.Path, "/"+r.Name) {
		return r.Method + " " + r.Path
	}
	return r.Method + " " + r.Path + " " + r.Name
}

func (r request) write() bool { return r.Method != http.MethodGet && !r.DryRun }

// classes of requests that are counted.
func storeWrites(r request) bool { return r.write() && r.Kind != "leases" }
func leaseWrites(r request) bool { return r.write() && r.Kind == "leases" }
func everything(request) bool    { return true }

// describe reads a request without consuming it.
func describe(req *http.Request) request {
	r := request{Method: req.Method, Path: req.URL.Path, DryRun: req.URL.Query().Get("dryRun") == "All"}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch { // api/v1/… or apis/group/version/…
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return r
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Kind = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	} else if req.GetBody != nil {
		r.Name = nameInBody(req)
	}
	return r
}

func nameInBody(req *http.Request) string {
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	var object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := json.NewDecoder(body).Decode(&object); err != nil {
		return ""
	}
	return object.Metadata.Name
}

// wire is a connection that counts the requests of a class and does something else with the n-th of them.
type wire struct {
	counts func(request) bool
	at     int // from 1; 0 disturbs nothing
	// disturb takes the place of sending.
	disturb func(r request, req *http.Request, send http.RoundTripper) (*http.Response, error)

	mu   sync.Mutex
	sent []request // those that were counted
}

// attach makes every client of a copy of config send through the wire.
func (w *wire) attach(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			r := describe(req)
			if w.count(r) {
				return w.disturb(r, req, next)
			}
			return next.RoundTrip(req)
		})
	})
	return config
}

// count counts a request and tells whether it is the one.
func (w *wire) count(r request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.counts(r) {
		return false
	}
	w.sent = append(w.sent, r)
	return len(w.sent) == w.at
}

// log is what was counted so far.
func (w *wire) log() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// hit is the request that was disturbed, if it has come to that.
func (w *wire) hit() (request, bool) {
	if sent := w.log(); w.at > 0 && len(sent) >= w.at {
		return sent[w.at-1], true
	}
	return request{}, false
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answer is a response that the API server could have given.
func answer(req *http.Request, code int, header http.Header, body string) *http.Response {
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Request: req, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}
