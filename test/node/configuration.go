package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// configurationFiles are templates of what the node's programs read.
//
//go:embed configuration
var configurationFiles embed.FS

// writeConfiguration fills the templates in and writes them into the node's directory.
func (n *node) writeConfiguration() error {
	templates, err := template.New("").Option("missingkey=error").ParseFS(configurationFiles, "configuration/*")
	if err != nil {
		return fmt.Errorf("parse configuration: %w", err)
	}
	values := map[string]string{
		"State": n.State, "Cgroup": n.Cgroup, "NodeName": nodeName, "DNSService": dnsService,
		"PodNetwork": podNetwork, "PodNetworks": podNetworks, "PauseImage": pauseImage,
	}
	var errs []error
	for _, one := range templates.Templates() {
		if one.Tree == nil {
			continue // the root of the set
		}
		var content bytes.Buffer
		if err := one.Execute(&content, values); err != nil {
			return fmt.Errorf("fill in configuration: %w", err)
		}
		path := n.file(one.Name())
		if filepath.Ext(path) == ".conflist" {
			path = n.file(filepath.Join("cni", one.Name()))
		}
		errs = append(errs, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content.Bytes(), 0o644))
	}
	return errors.Join(errs...)
}
