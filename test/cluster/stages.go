package main

import (
	"bytes"
	"embed"
	"fmt"
	"path"
)

// stageFiles say how the simulated node and its pods change. They are kwok's own (kustomize/stage of v0.8.0: node/fast,
// node/heartbeat-with-lease, pod/fast), except that the pod stages leave alone every pod that is marked to fail.
//
//go:embed stages/*.yaml
var stageFiles embed.FS

// kwokStages returns all stages as the one configuration file that kwok reads.
func kwokStages() ([]byte, error) {
	entries, err := stageFiles.ReadDir("stages")
	if err != nil {
		return nil, fmt.Errorf("list stages: %w", err)
	}
	var all [][]byte
	for _, entry := range entries {
		data, err := stageFiles.ReadFile(path.Join("stages", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read stage: %w", err)
		}
		all = append(all, data)
	}
	return bytes.Join(all, []byte("\n---\n")), nil
}
