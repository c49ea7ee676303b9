#!/bin/bash
# Keeps the contract of the official image's entrypoint: an empty PGDATA is initialised from POSTGRES_* variables, or the
# file that POSTGRES_PASSWORD_FILE names, by a server that answers on its socket alone; then the command runs.
set -euo pipefail

initialise() {
	local user=${POSTGRES_USER:-postgres} password=${POSTGRES_PASSWORD:-}
	if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
		password=$(<"$POSTGRES_PASSWORD_FILE")
	fi
	if [ -z "$password" ]; then
		echo "Database is uninitialized and superuser password is not specified: POSTGRES_PASSWORD" >&2
		exit 1
	fi
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	initdb --username="$user" --pwfile=<(echo "$password") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	PGPASSWORD=$password pg_ctl --wait --options="-c listen_addresses=''" start
	local database=${POSTGRES_DB:-$user}
	if [ "$database" != postgres ]; then
		echo 'CREATE DATABASE :"name";' | psql --no-psqlrc --username "$user" --dbname postgres --set=ON_ERROR_STOP=1 --set=name="$database"
	fi
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sh) . "$file" ;;
		*.sql) psql --no-psqlrc --username "$user" --dbname "$database" --set=ON_ERROR_STOP=1 --file="$file" ;;
		*.sql.gz) gunzip -c "$file" | psql --no-psqlrc --username "$user" --dbname "$database" --set=ON_ERROR_STOP=1 ;;
		esac
	done
	pg_ctl --wait --mode=fast stop
}

if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	initialise
fi
exec "$@"
