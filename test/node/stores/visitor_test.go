package stores_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// visitor is a browser without a screen: it reaches every host through the ingress controller and keeps cookies.
type visitor struct {
	client *http.Client
	host   string
}

// newVisitor opens a browser for one shop. Certificates are not checked: nobody issues any here, so that Traefik shows its own.
func newVisitor(t *testing.T, host string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("Create cookie jar: %v", err)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(publicAddress, port))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{host: host, client: &http.Client{Transport: transport, Jar: jar, Timeout: 30 * time.Second}}
}

// page is what came back.
type page struct {
	status int
	body   string
	url    string // after redirects
}

func (v *visitor) get(ctx context.Context, path string) (page, error) {
	return v.do(ctx, http.MethodGet, path, nil, nil)
}

func (v *visitor) post(ctx context.Context, path string, form url.Values) (page, error) {
	return v.do(ctx, http.MethodPost, path, strings.NewReader(form.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

// send posts an object to an API and decodes the answer into another one, which may be nil.
func (v *visitor) send(t *testing.T, path string, headers map[string]string, object, answer any) {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatalf("Encode request to %s: %v", path, err)
	}
	all := map[string]string{"Content-Type": "application/json"}
	maps.Copy(all, headers)
	got, err := v.do(t.Context(), http.MethodPost, path, bytes.NewReader(data), all)
	if err != nil {
		t.Fatalf("POST https://%s%s: %v", v.host, path, err)
	}
	if got.status < 200 || got.status > 299 {
		t.Fatalf("POST https://%s%s: status %d:\n%s", v.host, path, got.status, beginning(got.body))
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal([]byte(got.body), answer); err != nil {
		t.Fatalf("POST https://%s%s: %v in:\n%s", v.host, path, err, beginning(got.body))
	}
}

func (v *visitor) do(ctx context.Context, method, path string, body io.Reader, headers map[string]string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+v.host+path, body)
	if err != nil {
		return page{}, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return page{status: response.StatusCode, body: string(content), url: response.Request.URL.String()}, err
}

// expect fails the test unless a page answers 200 and holds a text.
func (v *visitor) expect(t *testing.T, path, text string) {
	t.Helper()
	got, err := v.get(t.Context(), path)
	if err != nil {
		t.Fatalf("GET https://%s%s: %v", v.host, path, err)
	}
	if got.status != http.StatusOK || !strings.Contains(got.body, text) {
		t.Fatalf("GET https://%s%s: status %d at %s, want 200 with %q; it says:\n%s", v.host, path, got.status, got.url, text, beginning(got.body))
	}
}

// answers says why a page cannot be seen.
func (v *visitor) answers(ctx context.Context, path string) error {
	got, err := v.get(ctx, path)
	if err == nil && got.status != http.StatusOK {
		return fmt.Errorf("GET https://%s%s: status %d", v.host, path, got.status)
	}
	return err
}

func beginning(text string) string {
	const limit = 1500
	if len(text) <= limit {
		return text
	}
	return fmt.Sprintf("%s … (%d bytes)", text[:limit], len(text))
}
