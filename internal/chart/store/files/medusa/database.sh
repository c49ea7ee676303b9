# How the database of the shop is dumped, loaded and counted, with the client of its own image. data.sh reads it.
dumped=database.dump

# Everything belongs to the role medusa, whoever logs in.
PGPASSWORD=$(cat /secrets/credentials/database-password)
PGUSER=$(user medusa)
export PGPASSWORD PGUSER PGHOST=database PGDATABASE=medusa PGOPTIONS='-c role=medusa -c client_min_messages=warning' PGCONNECT_TIMEOUT=5

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 <<<"$1"; }

version() { ask "SHOW server_version;"; }

# One count for each table, without those of extensions, which no dump has.
counts="SELECT format('SELECT count(*) FROM ONLY %I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') \\gexec"

add() { awk '{ sum += $1 } END { print NR, sum + 0 }'; }

# Counts and dump see the same moment: the shop goes on selling.
dump() {
	local counted
	rm -f /tmp/dumped
	counted=$(FILE=$1 ask "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SELECT pg_export_snapshot() AS snapshot \\gset
		\\setenv SNAPSHOT :snapshot
		\\! pg_dump --format=custom --snapshot=\"\$SNAPSHOT\" --file=\"\$FILE\" && touch /tmp/dumped
		$counts" | add)
	[ -e /tmp/dumped ]
	read -r tables rows <<<"$counted"
}

load() {
	ask "SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
			WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND pg_has_role(nspowner, 'USAGE') \\gexec
		CREATE SCHEMA public;"
	pg_restore --dbname=medusa --no-owner --no-privileges --exit-on-error "$1"
}

count() {
	local counted
	counted=$(ask "$counts" | add)
	read -r tables rows <<<"$counted"
}
