package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
)

// Chart is a chart in memory. Helm changes a chart while it uses it, so each action parses it anew from these files.
type Chart struct {
	Name       string
	Version    string
	AppVersion string
	Digest     string // of all its files

	files []*loader.BufferedFile
}

// LoadEmbedded makes a chart of files that are already in memory, by path within the chart.
func LoadEmbedded(files map[string][]byte) (*Chart, error) {
	buffered := make([]*loader.BufferedFile, 0, len(files))
	for name, data := range files {
		buffered = append(buffered, &loader.BufferedFile{Name: name, Data: data})
	}
	return newChart(buffered)
}

// LoadPath loads a chart from a directory or an archive.
func LoadPath(path string) (*Chart, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", path, err)
	}
	files := make([]*loader.BufferedFile, len(loaded.Raw))
	for i, file := range loaded.Raw {
		files[i] = &loader.BufferedFile{Name: file.Name, Data: file.Data}
	}
	return newChart(files)
}

// Pull downloads a chart from an OCI registry. The credentials are used for this download alone.
func Pull(ctx context.Context, ref, version, username, password string) (*Chart, error) {
	options := []registry.ClientOption{registry.ClientOptHTTPClient(&http.Client{Transport: contextTransport{ctx, http.DefaultTransport}})}
	if username != "" {
		options = append(options, registry.ClientOptBasicAuth(username, password))
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("pull chart %s: %w", ref, err)
	}
	name := strings.TrimPrefix(ref, registry.OCIScheme+"://") + ":" + version
	pulled, err := client.Pull(name)
	if err != nil {
		return nil, fmt.Errorf("pull chart %s: %w", name, err)
	}
	files, err := loader.LoadArchiveFiles(strings.NewReader(string(pulled.Chart.Data)))
	if err != nil {
		return nil, fmt.Errorf("unpack chart %s: %w", name, err)
	}
	return newChart(files)
}

// contextTransport ends requests with a context: Helm's registry client takes none.
type contextTransport struct {
	ctx  context.Context
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t contextTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.next.RoundTrip(req.WithContext(t.ctx))
}

func newChart(files []*loader.BufferedFile) (*Chart, error) {
	slices.SortFunc(files, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	c := &Chart{files: files}
	parsed, err := c.parse()
	if err != nil {
		return nil, err
	}
	c.Name, c.Version, c.AppVersion = parsed.Metadata.Name, parsed.Metadata.Version, parsed.Metadata.AppVersion
	hash := sha256.New()
	for _, file := range files {
		sum := sha256.Sum256(file.Data)
		fmt.Fprintf(hash, "%s %x\n", file.Name, sum)
	}
	c.Digest = hex.EncodeToString(hash.Sum(nil))
	return c, nil
}

var errLibrary = errors.New("it is a library chart, which installs nothing")

func (c *Chart) parse() (*chart.Chart, error) {
	parsed, err := loader.LoadFiles(c.files)
	if err != nil {
		return nil, fmt.Errorf("parse chart: %w", err)
	}
	if err := parsed.Validate(); err != nil {
		return nil, fmt.Errorf("validate chart: %w", err)
	}
	if parsed.Metadata.Type == "library" {
		return nil, fmt.Errorf("chart %s: %w", parsed.Metadata.Name, errLibrary)
	}
	return parsed, nil
}
