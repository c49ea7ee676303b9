package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/test/node/image"
)

const (
	medusaImage   = "registry.example.com/stores/medusa:2.21.2"
	medusaVersion = "2.21.2"
	// oldestNode is the oldest major version of Node.js that Medusa runs on.
	oldestNode = 20
)

// medusa is the image of a Medusa without changes, as a shop would build it: from npm, with /app as the built server. There is
// none on a machine without npm and a Node.js that is new enough.
func medusa(ctx context.Context, p *progress, parent *image.Recipe, log io.Writer) ([]*image.Recipe, error) {
	node, version, err := findNode(ctx)
	if err != nil {
		p.say("there will be no image of Medusa: %v", err)
		return nil, nil
	}
	app, err := fs.Sub(recipeFiles, "recipes/medusa/app")
	if err != nil {
		return nil, err
	}
	script, err := recipeFiles.ReadFile("recipes/medusa/build.sh")
	if err != nil {
		return nil, err
	}
	built := &image.Recipe{
		Names:   []string{"storeplatform.test/medusa-built:" + medusaVersion},
		Parent:  parent,
		Version: medusaVersion + " " + version,
		Prepare: func(ctx context.Context, root string) error { return buildMedusa(ctx, app, node, root, log) },
	}
	return []*image.Recipe{{
		Names:  []string{medusaImage},
		Parent: built,
		Script: string(script),
		Config: image.Config{Cmd: []string{"npx", "medusa", "start"}, WorkingDir: "/app", Env: []string{defaultPath, "NODE_ENV=production"}, User: "1000"},
	}}, nil
}

// findNode returns the path and the version of the machine's Node.js.
func findNode(ctx context.Context) (path, version string, err error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", "", err
	}
	if path, err = exec.LookPath("node"); err != nil {
		return "", "", err
	}
	output, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	version = strings.TrimSpace(string(output)) // such as v20.20.2
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return "", "", fmt.Errorf("%s is %s instead of %d or newer", path, version, oldestNode)
	}
	return path, version, nil
}

// buildMedusa builds the shop outside of the image and moves the result in, with the machine's own Node.js: Debian 12 has one
// that is too old.
func buildMedusa(ctx context.Context, app fs.FS, node, root string, log io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "testnode-medusa-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, app); err != nil {
		return err
	}
	server := filepath.Join(dir, ".medusa", "server")
	for _, step := range []struct {
		dir  string
		args []string
	}{
		{dir, []string{"npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps"}},
		{dir, []string{"npx", "medusa", "build"}},
		{server, []string{"npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--legacy-peer-deps"}},
	} {
		command := exec.CommandContext(ctx, step.args[0], step.args[1:]...)
		command.Dir = step.dir
		command.Env = append(os.Environ(), "MEDUSA_DISABLE_TELEMETRY=true", "NODE_ENV=development")
		command.Stdout, command.Stderr = log, log
		if err := command.Run(); err != nil {
			return fmt.Errorf("%v: %w", step.args, err)
		}
	}
	target := filepath.Join(root, "app")
	if output, err := exec.CommandContext(ctx, "cp", "--archive", server, target).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the built server: %w: %s", err, output)
	}
	data, err := os.ReadFile(node)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Join(target, "static"), 0o755), os.WriteFile(filepath.Join(root, "usr/local/bin/node"), data, 0o755))
}
