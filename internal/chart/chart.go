// Package chart holds the embedded Helm chart: files, no code. Its values come from internal/blueprint, and internal/release is
// the one room that renders it.
//
// The chart knows two engines, woocommerce and medusa. It holds no hooks and no CRDs, asks the cluster nothing and takes no
// chance: the same values render to the same bytes at plan and at apply.
package chart

import (
	"embed"
	"fmt"
	"io/fs"
)

// Name and Version are those of Chart.yaml.
const (
	Name    = "store"
	Version = "0.1.0"
)

//go:embed all:store
var files embed.FS

// Files returns the files of the chart by their path within it.
func Files() (map[string][]byte, error) {
	out := make(map[string][]byte)
	root, err := fs.Sub(files, "store")
	if err != nil {
		return nil, fmt.Errorf("open the embedded chart: %w", err)
	}
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		out[path], err = fs.ReadFile(root, path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded chart: %w", err)
	}
	return out, nil
}
