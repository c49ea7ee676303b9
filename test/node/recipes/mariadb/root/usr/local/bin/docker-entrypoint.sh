#!/bin/bash
# Keeps the contract of the official image's entrypoint: an empty data directory is initialised from MARIADB_* variables, or
# the files that MARIADB_*_FILE name, by a server that answers on its socket alone; then the command runs.
set -euo pipefail

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

from_file() { # sets a variable from the file that VARIABLE_FILE names
	local file="$1_FILE"
	if [ -n "${!file:-}" ]; then
		export "$1=$(<"${!file}")"
	fi
}

quoted() { # as an SQL string
	local text=${1//\\/\\\\}
	printf "'%s'" "${text//\'/\\\'}"
}

sql() { mariadb --no-defaults --protocol=socket --socket="$socket" --user=root --batch "$@"; }

initialise() {
	for name in MARIADB_ROOT_PASSWORD MARIADB_ROOT_HOST MARIADB_DATABASE MARIADB_USER MARIADB_PASSWORD; do
		from_file "$name"
	done
	if [ -z "${MARIADB_ROOT_PASSWORD:-}" ]; then
		echo "Database is uninitialized and password option is not specified: MARIADB_ROOT_PASSWORD" >&2
		exit 1
	fi
	mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db --skip-log-bin >/dev/null
	"$@" --skip-networking --socket="$socket" &
	local server=$!
	until sql --execute 'SELECT 1' >/dev/null 2>&1; do
		kill -0 "$server"
		sleep 0.2
	done

	local health
	health=$(tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 || true)
	{
		for host in 127.0.0.1 ::1 localhost; do
			echo "CREATE USER healthcheck@'$host' IDENTIFIED BY '$health'; GRANT USAGE ON *.* TO healthcheck@'$host';"
		done
		if [ -n "${MARIADB_DATABASE:-}" ]; then
			echo "CREATE DATABASE \`$MARIADB_DATABASE\`;"
		fi
		if [ -n "${MARIADB_USER:-}" ]; then
			echo "CREATE USER $(quoted "$MARIADB_USER")@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
			echo "GRANT ALL ON \`${MARIADB_DATABASE//_/\\_}\`.* TO $(quoted "$MARIADB_USER")@'%';"
		fi
		if [ "${MARIADB_ROOT_HOST:-%}" != localhost ]; then
			echo "CREATE USER root@$(quoted "${MARIADB_ROOT_HOST:-%}") IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
			echo "GRANT ALL ON *.* TO root@$(quoted "${MARIADB_ROOT_HOST:-%}") WITH GRANT OPTION;"
		fi
		echo "SET PASSWORD FOR root@localhost = PASSWORD($(quoted "$MARIADB_ROOT_PASSWORD"));"
	} | sql
	export MYSQL_PWD="$MARIADB_ROOT_PASSWORD"
	(umask 077 && printf '[mariadb-client]\nuser=healthcheck\npassword=%s\nprotocol=tcp\n' "$health" >"$data/.my-healthcheck.cnf")

	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sh) . "$file" ;;
		*.sql) sql ${MARIADB_DATABASE:+--database="$MARIADB_DATABASE"} <"$file" ;;
		*.sql.gz) gunzip -c "$file" | sql ${MARIADB_DATABASE:+--database="$MARIADB_DATABASE"} ;;
		esac
	done
	unset MYSQL_PWD
	kill "$server"
	wait "$server"
}

if [ "${1:-}" = mariadbd ] && [ ! -d "$data/mysql" ]; then
	initialise "$@"
fi
exec "$@"
