#!/bin/sh
# Lets a role of the shop in, with a new password, or locks it out. Two take turns, so that one works while the other changes.
set -eu
export PGHOST=database PGUSER=postgres PGDATABASE=medusa PGCONNECT_TIMEOUT=5

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --set=user="$DATABASE_USER"; }

case "$1" in
admit)
	ask <<'SQL'
SET log_min_error_statement TO panic; -- a failing statement would be logged with its password
\set password `printenv DATABASE_PASSWORD`
ALTER ROLE :"user" LOGIN PASSWORD :'password';
SQL
	;;
retire)
	ask <<'SQL'
ALTER ROLE :"user" NOLOGIN PASSWORD NULL;
SELECT 'ended connections: ' || count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = :'user';
SQL
	;;
esac
