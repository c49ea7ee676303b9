#!/bin/sh
# Speaks with the database as the shop. A server must not start on a database that its own migrations have not reached, so a setup
# Job marks its name when it is done, and servers wait for that name.
set -eu
PGUSER=$(cat /secrets/credentials/database-user)
PGPASSWORD=$(cat /secrets/credentials/database-password)
export PGUSER PGPASSWORD PGHOST=database PGDATABASE=medusa PGCONNECT_TIMEOUT=5

ask() { # a variable of psql, so that no name becomes SQL
	echo "$1" | psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --set=setup="${SETUP:-}"
}

case "$1" in
wait-for-database)
	until ask "SELECT 1;" >/dev/null; do sleep 3; done
	;;
wait-for-setup)
	until [ "$(ask "SELECT 1 FROM storeplatform.setup WHERE name = :'setup';" 2>/dev/null)" = 1 ]; do
		echo "waiting for Job $SETUP"
		sleep 3
	done
	;;
mark-setup)
	ask "CREATE SCHEMA IF NOT EXISTS storeplatform;
		CREATE TABLE IF NOT EXISTS storeplatform.setup (name text PRIMARY KEY, done timestamptz NOT NULL DEFAULT now());
		INSERT INTO storeplatform.setup (name) VALUES (:'setup') ON CONFLICT DO NOTHING;"
	;;
esac
