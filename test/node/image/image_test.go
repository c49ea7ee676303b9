package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestKey(t *testing.T) {
	parent := &Recipe{Version: "1"}
	base := Recipe{Names: []string{"a:1"}, Parent: parent, Script: "true", Files: fstest.MapFS{"etc/a": {Data: []byte("a")}}}
	cases := map[string]struct {
		reason string
		change func(r *Recipe)
		same   bool
	}{
		"Nothing":       {"A layer is built once.", func(*Recipe) {}, true},
		"Name":          {"Another name has the same content.", func(r *Recipe) { r.Names = []string{"b:2"} }, true},
		"Configuration": {"How a container runs is in no layer.", func(r *Recipe) { r.Config.User = "33" }, true},
		"Script":        {"Another script makes other files.", func(r *Recipe) { r.Script = "false" }, false},
		"Content":       {"A file has other content.", func(r *Recipe) { r.Files = fstest.MapFS{"etc/a": {Data: []byte("b")}} }, false},
		"Path":          {"A file lies elsewhere.", func(r *Recipe) { r.Files = fstest.MapFS{"etc/b": {Data: []byte("a")}} }, false},
		"Version":       {"What is prepared outside changed.", func(r *Recipe) { r.Version = "2" }, false},
		"Parent":        {"It is built on something else.", func(r *Recipe) { r.Parent = &Recipe{Version: "2"} }, false},
	}
	want, err := base.key()
	if err != nil {
		t.Fatalf("Key: %v", err)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			changed := base
			tc.change(&changed)
			got, err := changed.key()
			if err != nil {
				t.Fatalf("Key: %v", err)
			}
			if (got == want) != tc.same {
				t.Errorf("%s Key is %s, before %s", tc.reason, got, want)
			}
		})
	}
}

func TestPackLayer(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "var", "log", "access.log")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "etc"), 0o755),
		os.MkdirAll(filepath.Join(dir, "var", "log"), 0o755),
		os.WriteFile(filepath.Join(dir, "etc", "a"), []byte("a"), 0o600),
		os.WriteFile(filepath.Join(dir, "var", "log", "build.log"), []byte("said while building"), 0o600),
		os.Symlink("/dev/stdout", link),
	} {
		if err != nil {
			t.Fatalf("Make files: %v", err)
		}
	}
	want := []string{"etc/", "etc/a", "var/", "var/log/", "var/log/access.log"}
	err := syscall.Mknod(filepath.Join(dir, "etc", "gone"), syscall.S_IFCHR, 0) // how an overlay says that a file is deleted
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Log("Without root there is no deleted file to pack.")
	case err != nil:
		t.Fatalf("Make a deleted file: %v", err)
	default:
		want = slices.Insert(want, 2, "etc/.wh.gone")
	}

	layer := filepath.Join(t.TempDir(), "layer.tar")
	if err := packLayer(layer, dir); err != nil {
		t.Fatalf("Pack: %v", err)
	}
	if diff := cmp.Diff(want, readTar(t, layer).names()); diff != "" {
		t.Errorf("A layer has no logs of its build, but links, and whiteouts for what is deleted (-want, +got):\n%s", diff)
	}
}

func TestExportSharesLayers(t *testing.T) {
	b := &Builder{Dir: t.TempDir(), Log: io.Discard}
	put := func(name string) func(context.Context, string) error {
		return func(_ context.Context, root string) error {
			return os.WriteFile(filepath.Join(root, name), []byte(name), 0o600)
		}
	}
	parent := &Recipe{Names: []string{"example.test/parent:1"}, Version: "parent", Prepare: put("parent")}
	other := &Recipe{Names: []string{"example.test/other:1"}, Version: "other", Prepare: put("other"), Config: Config{User: "33"}}
	for _, r := range []*Recipe{parent, other} {
		path, err := b.path(r)
		if err != nil {
			t.Fatalf("Path: %v", err)
		}
		work := t.TempDir()
		if err := b.build(t.Context(), r, work, path); err != nil {
			t.Fatalf("Build: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "old.tar"), nil, 0o600); err != nil {
		t.Fatalf("Leave something old: %v", err)
	}
	again := &Recipe{Names: []string{"example.test/again:1"}, Version: "parent", Prepare: put("parent")}
	archive, err := b.Export([]*Recipe{parent, other, again})
	if err != nil {
		t.Fatalf("Export: %v", err)
	}

	files := readTar(t, archive)
	var manifest []manifestEntry
	for _, file := range files {
		if file.name != "manifest.json" {
			continue
		}
		if err := json.Unmarshal(file.data, &manifest); err != nil {
			t.Fatalf("Decode manifest: %v", err)
		}
	}
	if len(manifest) != 3 {
		t.Fatalf("The archive has %d images, want 3", len(manifest))
	}
	if diff := cmp.Diff(manifest[0].Layers, manifest[2].Layers); diff != "" {
		t.Errorf("Images with the same content have one layer (-first, +other):\n%s", diff)
	}
	layers := 0
	for _, name := range files.names() {
		if filepath.Ext(name) == ".tar" {
			layers++
		}
	}
	if layers != 2 {
		t.Errorf("The archive has %d layers, want each once: 2", layers)
	}
	if exists(filepath.Join(b.Dir, "old.tar")) {
		t.Error("What no image uses is still there")
	}
}

// packedFile is a file in an archive.
type packedFile struct {
	name string
	data []byte
}

// packedFiles are the files of an archive in their order.
type packedFiles []packedFile

func (all packedFiles) names() []string {
	var names []string
	for _, file := range all {
		names = append(names, file.name)
	}
	return names
}

func readTar(t *testing.T, path string) packedFiles {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("Open archive: %v", err)
	}
	defer func() { _ = file.Close() }() // only read
	var all packedFiles
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("Read archive: %v", err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatalf("Read %s of the archive: %v", header.Name, err)
		}
		all = append(all, packedFile{header.Name, data})
	}
}
