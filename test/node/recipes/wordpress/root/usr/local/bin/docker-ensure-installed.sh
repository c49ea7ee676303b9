#!/bin/bash
# Installs WordPress as the entrypoint does, and runs nothing afterwards unless it is told to.
set -euo pipefail
. /usr/local/bin/wordpress-install
if [ $# -gt 0 ]; then
	exec "$@"
fi
