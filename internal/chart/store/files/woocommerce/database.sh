# How the database of the shop is dumped, loaded and counted, with the client of its own image. data.sh reads it.
dumped=database.sql.gz

client=/tmp/client.cnf # a password must not stand in argv
printf '[mariadb-client]\nconnect-timeout=5\n[client]\nhost=database\nuser=%s\npassword="%s"\n' "$(user wordpress)" "$(cat /secrets/credentials/database-password)" >"$client"

ask() { mariadb --defaults-file="$client" --batch --skip-column-names <<<"$1"; }

version() { ask "SELECT VERSION();"; }

# Rows are counted in the dump, because the shop goes on selling: each row stands in a line of its own.
dump() {
	mariadb-dump --defaults-file="$client" --single-transaction --quick --routines --triggers --events --hex-blob wordpress | gzip >"$1"
	local counted
	counted=$(gzip -dc "$1" | awk '
		/^DELIMITER ;;$/ { code = 1 }
		/^DELIMITER ;$/ { code = 0 }
		code { next }
		/^CREATE TABLE / { tables++ }
		/^INSERT INTO / { values = 1 }
		values && /\)[,;]$/ { rows++ }
		values && /\);$/ { values = 0 }
		/^-- Dump completed/ { complete = 1 }
		END { print tables + 0, rows + 0; exit !complete }')
	read -r tables rows <<<"$counted"
}

# The dump names the user who made it, which may be another one now and then would be refused.
load() {
	ask "DROP DATABASE IF EXISTS wordpress; CREATE DATABASE wordpress;"
	gzip -dc "$1" | sed -E '/^(\(|INSERT INTO )/! s/DEFINER=`[^`]*`@`[^`]*`//' | mariadb --defaults-file="$client" wordpress
}

count() {
	local named queries
	named="FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'wordpress' AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
	tables=$(ask "SELECT COUNT(*) $named;")
	queries=$(ask "SELECT CONCAT('SELECT COUNT(*) FROM wordpress.\`', REPLACE(TABLE_NAME, '\`', '\`\`'), '\`;') $named;")
	rows=$(ask "$queries" | awk '{ sum += $1 } END { print sum + 0 }')
}
