// Package image builds container images without a container engine: a Debian root file system is made by debootstrap, changed
// in a chroot above an overlay, and packed as the layers of a docker archive, which containerd imports. It needs root. Mounts
// live in a mount namespace of their own and so are gone with the build, however it ends. Layers are kept in a directory, by
// a key of everything that they are made from.
package image
