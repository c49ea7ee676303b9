#!/bin/sh
# Runs a command with what Medusa reads from its environment, so that no secret is in the pod's specification or in argv.
# Generated secrets are letters and digits alone, which need no escaping in a URL.
set -eu
secret() { cat "/secrets/credentials/$1"; }

# No TLS within the store: sslmode is PostgreSQL's spelling, ssl_mode that of Medusa before 2.21, which strips it too early now.
DATABASE_URL="postgres://$(secret database-user):$(secret database-password)@database:5432/medusa?sslmode=disable&ssl_mode=disable"
JWT_SECRET=$(secret jwt-secret)
COOKIE_SECRET=$(secret cookie-secret)
export DATABASE_URL JWT_SECRET COOKIE_SECRET
if [ -e /secrets/credentials/cache-password ]; then
	REDIS_URL="redis://:$(secret cache-password)@cache:6379"
	export REDIS_URL
fi

PATH="$PWD/node_modules/.bin:$PATH"
exec "$@"
