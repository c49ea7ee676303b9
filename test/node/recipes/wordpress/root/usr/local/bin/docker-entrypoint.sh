#!/bin/bash
# Installs WordPress before Apache runs, as the official image's entrypoint does, then runs the command.
set -euo pipefail
if [[ ${1:-} == apache2* ]]; then
	. /usr/local/bin/wordpress-install
fi
exec "$@"
