package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// Export writes built images as one docker archive, in which common layers are there once, and returns its path. What the
// directory holds of other images is removed.
func (b *Builder) Export(recipes []*Recipe) (string, error) {
	sum := sha256.New()
	used := map[string]bool{}
	for _, r := range recipes {
		config, err := json.Marshal(r.Config)
		if err != nil {
			return "", fmt.Errorf("encode configuration of image %s: %w", r.Name(), err)
		}
		fmt.Fprintf(sum, "%q %s\n", r.Names, config)
		for _, one := range r.Lineage() {
			layer, err := b.path(one)
			if err != nil {
				return "", err
			}
			fmt.Fprintln(sum, layer)
			used[layer] = true
		}
	}
	path := filepath.Join(b.Dir, "images-"+hex.EncodeToString(sum.Sum(nil))[:16]+".tar")
	used[path] = true
	if err := b.removeOthers(used); err != nil || exists(path) {
		return path, err
	}
	partial := path + ".partial"
	if err := b.export(partial, recipes); err != nil {
		return "", errors.Join(err, os.Remove(partial))
	}
	return path, os.Rename(partial, path)
}

// removeOthers removes what no image uses any more, and what an interrupted run left.
func (b *Builder) removeOthers(used map[string]bool) error {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return fmt.Errorf("list built images: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if path := filepath.Join(b.Dir, entry.Name()); !used[path] {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

func (b *Builder) export(path string, recipes []*Recipe) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("export images: %w", err)
	}
	archive := tar.NewWriter(file)
	defer func() { err = errors.Join(err, archive.Close(), file.Close()) }()

	sums := map[string]string{} // path of a layer -> sha256
	var manifest []manifestEntry
	for _, r := range recipes {
		entry := manifestEntry{RepoTags: r.Names}
		var diffs []string
		for _, one := range r.Lineage() {
			layer, err := b.path(one)
			if err != nil {
				return err
			}
			if sums[layer] == "" {
				if sums[layer], err = addLayer(archive, layer); err != nil {
					return fmt.Errorf("export layer %s: %w", layer, err)
				}
			}
			entry.Layers = append(entry.Layers, filepath.Base(layer))
			diffs = append(diffs, "sha256:"+sums[layer])
		}
		config, err := json.Marshal(imageConfig{
			Architecture: runtime.GOARCH, OS: "linux", Config: r.Config, RootFS: rootFS{Type: "layers", DiffIDs: diffs},
		})
		if err != nil {
			return fmt.Errorf("encode configuration of image %s: %w", r.Name(), err)
		}
		sum := sha256.Sum256(config)
		entry.Config = hex.EncodeToString(sum[:]) + ".json"
		if err := addFile(archive, entry.Config, config); err != nil {
			return err
		}
		manifest = append(manifest, entry)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return addFile(archive, "manifest.json", data)
}

// manifestEntry is one image in the manifest.json of a docker archive.
type manifestEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

type imageConfig struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       Config `json:"config"`
	RootFS       rootFS `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// addLayer copies a layer into the archive and returns its checksum.
func addLayer(archive *tar.Writer, path string) (string, error) {
	layer, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = layer.Close() }() // only read
	info, err := layer.Stat()
	if err != nil {
		return "", err
	}
	if err := archive.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o644, Size: info.Size(), Typeflag: tar.TypeReg}); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(archive, sum), layer); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func addFile(archive *tar.Writer, name string, data []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(archive, bytes.NewReader(data))
	return err
}
