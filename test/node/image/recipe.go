package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// Recipe says how an image is made.
type Recipe struct {
	// Names are what the image is called, with registry and tag.
	Names []string
	// Parent is the image that it is built on; nil starts from nothing.
	Parent *Recipe
	// Files are copied into the root first.
	Files fs.FS
	// Script is run by /bin/sh in the root afterwards; empty runs nothing.
	Script string
	// Prepare fills the root before all else, from outside.
	Prepare func(ctx context.Context, root string) error
	// Version stands for what Prepare makes: another version is another layer.
	Version string
	// Config is how containers run, unless they say otherwise.
	Config Config
}

// Config is the part of an image's configuration that our images use.
type Config struct {
	Entrypoint []string `json:"Entrypoint,omitempty"`
	Cmd        []string `json:"Cmd,omitempty"`
	Env        []string `json:"Env,omitempty"`
	WorkingDir string   `json:"WorkingDir,omitempty"`
	User       string   `json:"User,omitempty"`
	StopSignal string   `json:"StopSignal,omitempty"`
}

// key names the layer of a recipe by everything that it is made from.
func (r *Recipe) key() (string, error) {
	sum := sha256.New()
	if r.Parent != nil {
		parent, err := r.Parent.key()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, parent)
	}
	fmt.Fprintf(sum, "%q %q\n", r.Script, r.Version)
	if r.Files != nil {
		err := fs.WalkDir(r.Files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := fs.ReadFile(r.Files, path)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "%q %x\n", path, sha256.Sum256(data))
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("read files of image %s: %w", r.Name(), err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// Lineage is the recipe with what it is built on, the first layer first.
func (r *Recipe) Lineage() []*Recipe {
	if r.Parent == nil {
		return []*Recipe{r}
	}
	return append(r.Parent.Lineage(), r)
}

// Name is what messages call the image.
func (r *Recipe) Name() string {
	if len(r.Names) == 0 {
		return "without a name"
	}
	return r.Names[0]
}
