package stores_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// nodeAddress is where pods reach the node, and publicAddress where visitors reach the ingress controller.
const (
	nodeAddress   = "198.51.100.10"
	publicAddress = "192.0.2.10"
)

// pluginServer serves a STAND-IN for the WooCommerce plugin, which cannot be had from Debian, Go or npm. It shows that a
// plugin of that name is fetched, checked by its checksum, installed and activated: nothing about WooCommerce itself.
type pluginServer struct {
	source string // with %s for the version
	sha256 string
}

func startPluginServer(t *testing.T, version string) pluginServer {
	t.Helper()
	archive := standInPlugin(t, version)
	sum := sha256.Sum256(archive)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", nodeAddress+":0")
	if err != nil {
		t.Fatalf("Serve the stand-in plugin: %v", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/woocommerce."+version+".zip" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return pluginServer{source: "http://" + listener.Addr().String() + "/woocommerce.%s.zip", sha256: hex.EncodeToString(sum[:])}
}

// standInPlugin packs the plugin in the layout of WordPress' plugin archives.
func standInPlugin(t *testing.T, version string) []byte {
	t.Helper()
	template, err := testdata.ReadFile("testdata/plugin/woocommerce.php")
	if err != nil {
		t.Fatalf("Read the stand-in plugin: %v", err)
	}
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	file, err := writer.Create("woocommerce/woocommerce.php")
	if err != nil {
		t.Fatalf("Pack the stand-in plugin: %v", err)
	}
	if _, err := fmt.Fprint(file, strings.Replace(string(template), "%s", version, 1)); err != nil {
		t.Fatalf("Pack the stand-in plugin: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatalf("Pack the stand-in plugin: %v", err)
	}
	return archive.Bytes()
}
