#!/bin/bash
# Copies WordPress from the image into the pod, and configures it. The image's own helper uses `tar --no-overwrite-dir`, which
# sets the mode of directories that are there already, and fails where they belong to root, as volumes do. Plugins and themes that
# persist stay: the image may have older ones (docker-library/wordpress#506).
set -euo pipefail
shopt -s dotglob nullglob
target=/var/www/html
cd /usr/src/wordpress

members=()
for entry in *; do
	[ "$entry" = wp-content ] || members+=("$entry")
done
kept=()
for entry in wp-content/*/*/; do
	[ ! -e "$target/$entry" ] || kept+=(--exclude "${entry%/}")
done
tar --create --file - "${kept[@]}" "${members[@]}" wp-content/* | tar --extract --file - --directory "$target"
cp wp-config-docker.php "$target/wp-config.php"
