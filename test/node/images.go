package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
	"github.com/storeplatform/terraform-provider-storeplatform/test/node/image"
)

// recipeFiles holds one directory for each image: build.sh, which runs in its root, and the files of the root itself.
//
//go:embed all:recipes
var recipeFiles embed.FS

const (
	pauseImage  = "storeplatform.test/pause:1"
	debianImage = "storeplatform.test/debian:12"
	// suite is the Debian release that images are made of.
	suite = "bookworm"
)

// recipes are all images, each after those that it is built on, and always in the same order.
func recipes(ctx context.Context, p *progress, programs string, log io.Writer) ([]*image.Recipe, error) {
	debian := &image.Recipe{Names: []string{debianImage}, Prepare: debootstrap, Version: suite}
	stores, err := storeImages(debian)
	if err != nil {
		return nil, err
	}
	shops, err := medusa(ctx, p, debian, log)
	if err != nil {
		return nil, err
	}
	system, err := systemImages(programs)
	return slices.Concat([]*image.Recipe{debian}, stores, shops, system), err
}

// storeImages have the names that the chart asks for; what is in them is said in README.md.
func storeImages(debian *image.Recipe) ([]*image.Recipe, error) {
	library := spec.DefaultRegistry + "/library/"
	php := []string{defaultPath, "PHP_INI_SCAN_DIR=:/usr/local/etc/php/conf.d"}
	shop := func(version string, parent *image.Recipe) *image.Recipe {
		return &image.Recipe{
			Names:  []string{library + "wordpress:" + version + "-php" + spec.PHPVersion + "-apache"},
			Parent: parent,
			Config: image.Config{
				Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"apache2-foreground"}, WorkingDir: "/var/www/html", Env: php,
				StopSignal: "SIGWINCH", // graceful
			},
		}
	}
	wordpress := shop(spec.WordPressVersion, debian)
	newer := shop("7.1.1", wordpress)
	broken := shop("7.1.2", newer)
	cli := &image.Recipe{
		Names:  []string{library + "wordpress:cli-" + spec.WPCLIVersion + "-php" + spec.PHPVersion},
		Parent: wordpress,
		Config: image.Config{Cmd: []string{"wp", "shell"}, WorkingDir: "/var/www/html", Env: php, User: "33"},
	}
	mariadb := &image.Recipe{
		Names:  []string{library + "mariadb:" + spec.MariaDBVersion},
		Parent: debian,
		Config: image.Config{Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"mariadbd"}, Env: []string{defaultPath}},
	}
	postgres := &image.Recipe{
		Names:  []string{library + "postgres:" + spec.PostgresVersion},
		Parent: debian,
		Config: image.Config{
			Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"postgres"},
			Env:        []string{defaultPath + ":/usr/lib/postgresql/15/bin", "PGDATA=/var/lib/postgresql/data"},
			StopSignal: "SIGINT", // fast: with SIGTERM it waits for every client
		},
	}
	valkey := &image.Recipe{
		Names:  []string{spec.DefaultRegistry + "/valkey/valkey:" + spec.ValkeyVersion},
		Parent: debian,
		Config: image.Config{Cmd: []string{"valkey-server"}, WorkingDir: "/data", Env: []string{defaultPath}},
	}
	err := errors.Join(
		fromDirectory(wordpress, "wordpress"),
		fromDirectory(newer, "wordpress-newer"),
		fromDirectory(broken, "wordpress-broken"),
		fromDirectory(cli, "wordpress-cli"),
		fromDirectory(mariadb, "mariadb"),
		fromDirectory(postgres, "postgres"),
		fromDirectory(valkey, "valkey"),
	)
	return []*image.Recipe{wordpress, newer, broken, cli, mariadb, postgres, valkey}, err
}

// systemImages hold one program each, under the names that k3s gives them.
func systemImages(programs string) ([]*image.Recipe, error) {
	var all []*image.Recipe
	for _, one := range []struct{ name, program string }{
		{pauseImage, "pause"},
		{spec.DefaultRegistry + "/rancher/mirrored-coredns-coredns:1.15.0", "coredns"},
		{spec.DefaultRegistry + "/rancher/local-path-provisioner:v0.0.30", "local-path-provisioner"},
		{spec.DefaultRegistry + "/rancher/mirrored-library-traefik:3.6.12", "traefik"},
	} {
		r, err := ofProgram(one.name, filepath.Join(programs, one.program))
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fromDirectory reads the script and the files, if any, of a recipe.
func fromDirectory(r *image.Recipe, dir string) error {
	script, err := recipeFiles.ReadFile("recipes/" + dir + "/build.sh")
	if err != nil {
		return err
	}
	r.Script = string(script)
	if _, err := fs.Stat(recipeFiles, "recipes/"+dir+"/root"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r.Files, err = fs.Sub(recipeFiles, "recipes/"+dir+"/root")
	return err
}

// ofProgram is an image of one static program.
func ofProgram(name, path string) (*image.Recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	inside := "/" + filepath.Base(path)
	return &image.Recipe{
		Names:   []string{name},
		Version: fmt.Sprintf("%s %x", inside, sha256.Sum256(data)),
		Prepare: func(_ context.Context, root string) error {
			return errors.Join(os.Mkdir(filepath.Join(root, "tmp"), 0o777), os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky),
				os.WriteFile(filepath.Join(root, inside), data, 0o755))
		},
		Config: image.Config{Entrypoint: []string{inside}},
	}, nil
}

// debootstrap fills a root with the smallest Debian.
func debootstrap(ctx context.Context, root string) error {
	var said strings.Builder
	command := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include=ca-certificates", suite, root)
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("debootstrap: %w\n%s", err, said.String())
	}
	files := map[string]string{
		// No service may start in a root that is being built.
		"usr/sbin/policy-rc.d":     "#!/bin/sh\nexit 101\n",
		"etc/apt/apt.conf.d/lean":  "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n",
		"etc/dpkg/dpkg.cfg.d/lean": "force-unsafe-io\npath-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n",
	}
	var errs []error
	for name, content := range files {
		path := filepath.Join(root, name)
		errs = append(errs, os.WriteFile(path, []byte(content), 0o755))
	}
	return errors.Join(errs...)
}

// buildImages builds what is missing and returns the archive of all images.
func buildImages(ctx context.Context, p *progress, dir string, log io.Writer) (string, error) {
	all, err := recipes(ctx, p, dir, log)
	if err != nil {
		return "", err
	}
	b := &image.Builder{Dir: filepath.Join(dir, "images"), Log: log}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return "", err
	}
	for _, r := range all {
		for _, one := range r.Lineage() {
			if b.Built(one) {
				continue
			}
			err := p.step("building image "+one.Name(), func() error {
				_, err := b.Layer(ctx, one)
				return err
			})
			if err != nil {
				return "", err
			}
		}
	}
	var archive string
	err = p.step("packing images", func() error {
		archive, err = b.Export(all)
		return err
	})
	return archive, err
}
