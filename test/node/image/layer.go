package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// What a layer says of something that is deleted (the OCI image specification, layer.md).
const (
	whiteout       = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
)

// leftOut are directories whose files are not in layers: a container gets its own, and what apt can fetch again is of no use.
var leftOut = []string{"dev", "proc", "sys", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log", "var/tmp"}

// packLayer writes a directory, which may be the upper one of an overlay, as a layer. It appears at once, complete.
func packLayer(path, dir string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "layer-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	archive := tar.NewWriter(file)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		return packEntry(archive, path, name, entry)
	})
	if err := errors.Join(err, archive.Close(), file.Close()); err != nil {
		return fmt.Errorf("pack layer: %w", err)
	}
	return os.Rename(file.Name(), path)
}

func packEntry(archive *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return nil
	}
	if deleted(info) {
		return archive.WriteHeader(&tar.Header{Name: filepath.Join(filepath.Dir(name), whiteout+filepath.Base(name)), Typeflag: tar.TypeReg})
	}
	if keeps := entry.IsDir() || info.Mode()&fs.ModeSymlink != 0; !keeps && slices.ContainsFunc(leftOut, func(dir string) bool { return inside(name, dir) }) {
		return nil
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = name
	header.Uname, header.Gname = "", "" // names of this machine's users
	if entry.IsDir() {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if entry.IsDir() && opaque(path) {
		return archive.WriteHeader(&tar.Header{Name: filepath.Join(name, opaqueWhiteout), Typeflag: tar.TypeReg})
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	content, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, content)
	return errors.Join(err, content.Close())
}

// deleted tells whether an overlay marks a file of a lower layer as deleted: by a character device 0/0.
func deleted(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && stat.Rdev == 0
}

// opaque tells whether an overlay hides the lower layers' content of a directory.
func opaque(dir string) bool {
	value := make([]byte, 1)
	n, err := syscall.Getxattr(dir, "trusted.overlay.opaque", value)
	return err == nil && n == 1 && value[0] == 'y'
}

func inside(path, dir string) bool {
	return len(path) > len(dir) && path[:len(dir)] == dir && path[len(dir)] == '/'
}
