#!/bin/sh
REDISCLI_AUTH=$(cat /secrets/credentials/cache-password)
export REDISCLI_AUTH
[ "$(valkey-cli -h 127.0.0.1 ping)" = PONG ]
