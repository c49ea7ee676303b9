package stores_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// browser is a headless Chromium, driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2/).
type browser struct {
	session string // URL
	shots   string // directory of its pictures
}

// startBrowser starts Chromium. Every host is on the node; certificates are Traefik's own and not checked.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Find a free port: %v", err)
	}
	address := listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err := errors.Join(err, listener.Close()); err != nil {
		t.Fatalf("Find a free port: %v", err)
	}
	// It goes with the node: Chromium writes to it until its very end, so that t.TempDir could not remove it.
	profile, err := os.MkdirTemp("", "chromium-") //nolint:usetesting // see above
	if err != nil {
		t.Fatalf("Create the browser's directory: %v", err)
	}
	driver := exec.CommandContext(t.Context(), "chromedriver", "--port="+port)
	driver.Env = append(os.Environ(), "HOME="+profile)
	if err := driver.Start(); err != nil {
		t.Fatalf("Start chromedriver: %v", err)
	}
	t.Cleanup(func() {
		_ = driver.Process.Kill()
		_ = driver.Wait()
	})
	b := &browser{session: "http://" + address, shots: *pictures}
	eventually(t, "Start of chromedriver", func(ctx context.Context) error { return b.try(ctx, http.MethodGet, "/status", nil, nil) })
	var created struct{ SessionID string }
	b.ask(t, http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"acceptInsecureCerts": true,
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--window-size=1200,900",
			"--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir=" + filepath.Join(profile, "data"), "--host-resolver-rules=MAP * " + publicAddress,
		}},
	}}}, &created)
	b.session += "/session/" + created.SessionID
	t.Cleanup(func() { _ = b.try(context.Background(), http.MethodDelete, "", nil, nil) })
	return b
}

// open goes to an address and waits until the page is loaded.
func (b *browser) open(t *testing.T, address string) {
	t.Helper()
	b.ask(t, http.MethodPost, "/url", map[string]string{"url": address}, nil)
}

// fill writes into the field that a CSS selector finds, once it is there.
func (b *browser) fill(t *testing.T, selector, text string) {
	t.Helper()
	b.ask(t, http.MethodPost, "/element/"+b.find(t, selector)+"/value", map[string]string{"text": text}, nil)
}

// click clicks on what a CSS selector finds, once it is there.
func (b *browser) click(t *testing.T, selector string) {
	t.Helper()
	b.ask(t, http.MethodPost, "/element/"+b.find(t, selector)+"/click", map[string]string{}, nil)
}

// find waits for an element and returns its reference.
func (b *browser) find(t *testing.T, selector string) string {
	t.Helper()
	const reference = "element-6066-11e4-a52e-4f735466cecf" // the protocol's name for it
	var found map[string]string
	eventually(t, "Element "+selector, func(ctx context.Context) error {
		return b.try(ctx, http.MethodPost, "/element", map[string]string{"using": "css selector", "value": selector}, &found)
	})
	return found[reference]
}

// picture saves what the browser shows, when a directory for pictures was given.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	if b.shots == "" {
		return
	}
	var encoded string
	b.ask(t, http.MethodGet, "/screenshot", nil, &encoded)
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatalf("Decode the picture of %s: %v", name, err)
	}
	path := filepath.Join(b.shots, name+".png")
	if err := errors.Join(os.MkdirAll(b.shots, 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatalf("Save the picture of %s: %v", name, err)
	}
	t.Logf("Picture: %s", path)
}

func (b *browser) ask(t *testing.T, method, path string, send, receive any) {
	t.Helper()
	if err := b.try(t.Context(), method, path, send, receive); err != nil {
		t.Fatalf("Browser: %v", err)
	}
}

func (b *browser) try(ctx context.Context, method, path string, send, receive any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var body io.Reader
	if send != nil {
		data, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, b.session+path, body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, beginning(string(data)))
	}
	if receive == nil {
		return nil
	}
	return json.Unmarshal(data, &struct{ Value any }{receive})
}
