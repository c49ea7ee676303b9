package storekit

import (
	"context"
	"errors"
	"sync"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/chart"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// errNoChart is a user's chart that is not there, or not any more.
var errNoChart = errors.New("no chart")

// charts loads each chart once. Its zero value is ready.
type charts struct {
	mu     sync.Mutex
	loaded map[chartKey]*release.Chart
}

type chartKey struct{ source, version string }

// of returns the chart of an engine. A chart from a registry is downloaded, with the engine's credentials.
func (c *charts) of(ctx context.Context, engine spec.Engine) (*release.Chart, error) {
	own, isOwn := engine.(spec.Chart)
	key := chartKey{own.Source, own.Version}
	c.mu.Lock()
	defer c.mu.Unlock()
	if loaded, ok := c.loaded[key]; ok {
		return loaded, nil
	}
	var loaded *release.Chart
	var err error
	switch {
	case !isOwn:
		var files map[string][]byte
		if files, err = chart.Files(); err == nil {
			loaded, err = release.LoadEmbedded(files)
		}
	case own.OCI():
		loaded, err = release.Pull(ctx, own.Source, own.Version, own.Username, own.Password.Reveal())
	default:
		loaded, err = release.LoadPath(own.Source)
	}
	switch {
	case err != nil && isOwn:
		return nil, errors.Join(errNoChart, spec.FieldErrors{{Path: "chart.source", Value: own.Source, Allowed: "cannot be loaded: " + err.Error()}})
	case err != nil:
		return nil, err
	case isOwn && own.Version != "" && own.Version != loaded.Version:
		return nil, spec.FieldErrors{{Path: "chart.version", Value: own.Version, Allowed: "the chart there is version " + loaded.Version}}
	}
	if c.loaded == nil {
		c.loaded = make(map[chartKey]*release.Chart)
	}
	c.loaded[key] = loaded
	return loaded, nil
}
