#!/bin/sh
# Starts the cache with its password, which goes through standard input and never through argv.
set -eu
exec valkey-server - <<CONF
$(cat /etc/store/valkey.conf)
requirepass $(cat /secrets/credentials/cache-password)
CONF
