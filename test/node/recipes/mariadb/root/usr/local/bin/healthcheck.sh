#!/bin/bash
# The tests of the official image's healthcheck.sh that our chart uses, with the user that the entrypoint made for it.
set -euo pipefail

ask() {
	mariadb --defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf --host=127.0.0.1 --batch --skip-column-names --execute "$1"
}

for test in "$@"; do
	case "$test" in
	--connect) ask 'SELECT 1' >/dev/null ;;
	--innodb_initialized)
		[ "$(ask "SELECT 1 FROM information_schema.ENGINES WHERE engine = 'innodb' AND support IN ('YES', 'DEFAULT', 'ENABLED')")" = 1 ]
		;;
	*)
		echo "this image has no test $test" >&2
		exit 1
		;;
	esac
done
