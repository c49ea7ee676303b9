#!/bin/bash
# Copies the data of a store to the volume "backups" and back. The first argument says what to do: backup, restore, serve or fetch
# a backup, or check the shop. A backup is a directory of /backups, named for the time of its making. It is there when it is
# complete; until then its name begins with a dot. The last words of a Job are the backups that there are, or its error.
set -euo pipefail
umask 077
export LC_ALL=C

archive=content.tar.gz

say() { echo "$(date -u +%H:%M:%S) $*"; }

fail() {
	echo "error: $*" | tee /dev/termination-log >&2
	exit 1
}

doing=$1
partial= # directory of a backup that is not complete
ended() {
	local code=$?
	[ -z "$partial" ] || rm -rf "$partial"
	if [ "$code" != 0 ] && [ ! -s /dev/termination-log ]; then
		echo "error: $doing failed: the log of this pod says why" >/dev/termination-log
	fi
}
trap ended EXIT

step() { # says how long a command took
	local begun=$SECONDS
	doing=$1
	"${@:2}"
	say "$doing: $((SECONDS - begun)) s"
}

user() { # the name to log in with at the database
	cat /secrets/credentials/database-user 2>/dev/null || echo "$1"
}

. /etc/store/database.sh

ids() { # newest first
	find /backups -mindepth 1 -maxdepth 1 -type d -regextype posix-extended -regex '/backups/[0-9]{8}t[0-9]{6}z' -printf '%f\n' | sort -r
}

size() { stat --format=%s "$1"; }

sum() { sha256sum <"$1" | cut -d ' ' -f 1; }

field() { # field DIRECTORY KEY [KEY]: of a manifest, in which every object stands in one line
	sed -n -E "s/^  \"$2\": ${3:+.*\"$3\": }\"?([A-Za-z0-9.:-]+).*/\1/p" "$1/manifest.json"
}

bytes() { du --bytes --summarize "$1" | cut -f 1; }

# One Job at a time works on /backups. The lock goes with its process.
lock() {
	exec 9>/backups/.lock
	if ! flock --nonblock 9; then
		say "waiting for another Job that works on the backups"
		flock 9
	fi
	rm -rf /backups/.*.partial
}

existing() { # fails unless the backup is there
	[ -e "/backups/${BACKUP_ID:?}/manifest.json" ] || fail "there is no backup $BACKUP_ID. There are: $(echo $(ids))"
}

line='^[0-9]{8}t[0-9]{6}z [a-z]+( [0-9]+){5} [0-9a-f]{64}$'

index() { # writes the line by which a backup is listed
	local text
	text="$(field "$1" id) $(field "$1" reason) $(field "$1" database tables) $(field "$1" database rows) $(field "$1" database bytes)"
	text="$text $(field "$1" content files) $(field "$1" content bytes) $(sum "$1/manifest.json")"
	[[ $text =~ $line ]] || fail "the manifest of backup $BACKUP_ID is no manifest"
	echo "$text" >"$1/index"
}

list() { # within the 4096 bytes that the kubelet takes
	local id
	for id in $(ids | sed -n 1,24p); do # all that are kept, and those that are protected
		grep --extended-regexp --no-messages "$line" "/backups/$id/index" || true
	done >/dev/termination-log
}

verify() { # verify DIRECTORY ID CONSEQUENCE
	local part
	[ "$(field "$1" id)" = "$2" ] && [ "$(sum "$1/manifest.json")" = "$(cut -d ' ' -f 8 "$1/index")" ] ||
		fail "backup $2 is damaged: its manifest is not the one that was written. $3"
	[ "$(field "$1" engine)" = "$ENGINE" ] || fail "backup $2 is of a store with the engine $(field "$1" engine). $3"
	for part in "database $dumped" "content $archive"; do
		[ "$(field "$1" "${part% *}" sha256)" = "$(sum "$1/${part#* }")" ] ||
			fail "backup $2 is damaged: the checksum of ${part#* } is another one than when it was written. $3"
	done
}

## backup

# Until an upgrade or a restore is done, the backup made before it is what the shop goes back to. The schedule knows nothing of that.
needed() { cat /backups/.needed 2>/dev/null || true; }

prune() { # prune [ID]: removes the oldest backups above the number, but never this one and those that are needed
	local id kept=0 spared
	spared=" ${1:-} ${BACKUP_PROTECT:-} $(needed) $(restoring) "
	for id in $(ids); do
		kept=$((kept + 1))
		if [ "$kept" -le "$BACKUP_KEEP" ] || [[ $spared == *" $id "* ]]; then
			continue
		fi
		if flock --nonblock "/backups/$id/manifest.json" mv "/backups/$id" "/backups/.$id.partial"; then # a Job that serves it has the lock
			rm -rf "/backups/.$id.partial"
			say "removed backup $id: $BACKUP_KEEP are kept"
		fi
	done
}

reached() { # waits for the database; the deadline of the Job bounds the wait
	until ask "SELECT 1;" >/dev/null; do
		say "waiting for the database"
		sleep 3
	done
}

room() { # the next backup will be about as large as the last
	local last need free
	last=$(ids | sed -n 1p)
	[ -n "$last" ] || return 0
	need=$(($(bytes "/backups/$last") * 11 / 10))
	free=$(df --output=avail --block-size=1 /backups | tail -n 1)
	[ "$free" -ge "$need" ] || fail "the volume \"backups\" has $free bytes free. A backup as large as $last and 10 % more takes $need," \
		"$((need - free)) are missing: make the volume larger (backup.size) or keep fewer backups (backup.keep)"
}

pack() { # a file that changes or goes meanwhile is no failure; the root of a volume may hold lost+found
	local code=0
	cd /content
	find . -mindepth 1 -maxdepth 1 ! -name lost+found -print0 |
		tar --create --use-compress-program='gzip -1' --file "$1" --numeric-owner --verbose --index-file=/tmp/names --null --files-from=- || code=$?
	cd /
	[ "$code" -le 1 ] || return "$code"
	files=$(grep -cv '/$' /tmp/names || true)
}

manifest() { # manifest DIRECTORY ID REASON
	cat <<-JSON
		{
		  "id": "$2",
		  "store": "$STORE",
		  "engine": "$ENGINE",
		  "reason": "$3",
		  "created": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
		  "versions": {"database": "$(version | tr -cd 'A-Za-z0-9 .:+~()-')"},
		  "database": {"file": "$dumped", "bytes": $(size "$1/$dumped"), "sha256": "$(sum "$1/$dumped")", "tables": $tables, "rows": $rows},
		  "content": {"file": "$archive", "bytes": $(size "$1/$archive"), "sha256": "$(sum "$1/$archive")", "files": $files}
		}
	JSON
}

backup() {
	local id reason=${BACKUP_REASON:-schedule}
	BACKUP_ID=${BACKUP_ID:-$(date -u +%Y%m%dt%H%M%Sz)}
	id=$BACKUP_ID
	[[ "$id $reason" =~ ^[0-9]{8}t[0-9]{6}z\ [a-z]+$ ]] || fail "\"$id\" for \"$reason\" is no name of a backup"
	lock
	if [ -e "/backups/$id" ]; then
		say "backup $id is there already"
		return
	fi
	case "$reason" in
	restore | rollback) ;; # of an operation that replaces the data itself, whatever they are
	*)
		[ -z "$(restoring)" ] || fail "backup $(restoring) was being restored and that did not end: the data is not whole, and must not take" \
			"a backup's place. Apply the store again: the restore is finished first"
		;;
	esac
	prune # somebody may have lowered the number to make room
	room
	reached
	partial=/backups/.$id.partial
	mkdir "$partial"
	step "dump of the database" dump "$partial/$dumped"
	step "copy of the content" pack "$partial/$archive"
	manifest "$partial" "$id" "$reason" >"$partial/manifest.json"
	index "$partial"
	sync -f /backups
	mv "$partial" "/backups/$id"
	case "$reason" in
	upgrade | restore) echo "$id" >/backups/.needed ;;
	esac
	sync -f /backups
	say "backup $id: $rows rows of $tables tables in $(size "/backups/$id/$dumped") bytes, $files files in $(size "/backups/$id/$archive") bytes"
	prune "$id"
}

## restore

restoring() { cat /backups/.restoring 2>/dev/null || true; }

unpack() {
	find /content -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf -- {} +
	tar --extract --gzip --preserve-permissions --file "$1" --directory /content
	files=$(find /content -mindepth 1 -path /content/lost+found -prune -o ! -type d -printf . | wc -c)
}

restore() {
	local id=${BACKUP_ID:?} from=/backups/$BACKUP_ID
	lock
	existing
	step "check of backup $id" verify "$from" "$id" "Nothing was changed. Restore another one: $(echo $(ids))"
	reached
	echo "$id" >/backups/.restoring
	sync -f /backups
	step "load of the database" load "$from/$dumped"
	step "copy of the content" unpack "$from/$archive"
	step "count of the rows" count
	[ "$tables $rows $files" = "$(field "$from" database tables) $(field "$from" database rows) $(field "$from" content files)" ] ||
		fail "what was restored is not what backup $id has: $tables tables, $rows rows, $files files instead of $(field "$from" database tables)," \
			"$(field "$from" database rows), $(field "$from" content files). Restore it again; if that fails too, another one"
	sync -f /content
	rm /backups/.restoring
	say "backup $id is restored: $rows rows of $tables tables, $files files"
}

## transfer

serve() {
	existing
	local from=/backups/$BACKUP_ID
	exec 8<"$from/manifest.json"
	flock --shared 8
	step "transfer of backup $BACKUP_ID, $(bytes "$from") bytes" perl /etc/store/transfer.pl serve "$from" "$(sum "$from/manifest.json")" "$dumped" "$archive"
}

fetch() {
	local id=${BACKUP_ID:?} to=/backups/$BACKUP_ID own=none code=0
	lock
	partial=/backups/.$id.partial
	[ ! -e "$to" ] || own=$(sum "$to/manifest.json")
	mkdir "$partial"
	perl /etc/store/transfer.pl fetch "$partial" "$own" "$dumped" "$archive" || code=$?
	case "$code" in
	0) ;;
	3)
		say "backup $id is there already"
		return
		;;
	4) fail "no store handed out backup $id: does it still wait at $TRANSFER_HOST? Start the transfer again" ;;
	5) fail "the store at $TRANSFER_HOST refused: the token is not its own. Start the transfer again" ;;
	*) fail "backup $id did not arrive whole: the log of this pod says why. Start the transfer again" ;;
	esac
	[ "$own" = none ] || fail "backup $id of this store is another one, made at the same second. Make a new one in the other store"
	[ "$(find "$partial" -mindepth 1 -type f | wc -l)" = "$(find "$partial" -mindepth 1 | wc -l)" ] || fail "backup $id has more than files in it"
	step "check of backup $id" verify "$partial" "$id" "It was not kept. Start the transfer again"
	index "$partial"
	sync -f /backups
	mv "$partial" "$to"
	sync -f /backups
	say "backup $id is here: $(bytes "$to") bytes"
}

## check

request() { # HTTP 1.0, so that the answer comes in one piece and the connection ends
	{ exec 3<>/dev/tcp/web/80; } 2>/dev/null || exit
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\nX-Forwarded-Proto: https\r\nx-publishable-api-key: check\r\n\r\n' "$1" "${SHOP_HOST:-localhost}" >&3
	head -c 4096 <&3
}
export -f request

get() { # sets the first line of the answer and its body
	local answer
	answer=$(timeout 10 bash -c 'request "$1"' request "$1" | tr -d '\r\0') || true
	status=${answer%%$'\n'*}
	body=${answer#*$'\n\n'}
	path=$1
}

healthy() {
	case "$ENGINE" in
	woocommerce)
		get '/?rest_route=/wc/store/v1/products&per_page=1'
		[[ $status == HTTP/*" 200 "* && $body == \[* ]]
		;;
	medusa)
		get /health
		[[ $status == HTTP/*" 200 "* ]] || return
		get '/store/products?limit=1' # Medusa looks the key up, so that its database has to answer
		[[ $status == HTTP/*" "[1-4]* ]]
		;;
	esac
}

check() {
	local status body path but=
	until healthy; do
		if [ "$SECONDS" -ge 60 ]; then
			[[ $status != *" 200 "* ]] || but=", but no list"
			fail "the shop does not answer as it should: $path says \"${status:-no answer}\"$but"
		fi
		sleep 2
	done
	say "the shop answers"
}

case "$1" in
backup | restore | serve | fetch)
	"$1"
	list
	;;
check)
	check
	rm -f /backups/.needed
	;;
*) fail "there is no $1" ;;
esac
