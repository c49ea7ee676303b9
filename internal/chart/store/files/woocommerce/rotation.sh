#!/bin/sh
# Lets a user of the shop in, with a new password, or locks it out. Two take turns, so that one works while the other changes. A
# locked one is not dropped, because views and triggers that it made run in its name. SQL goes through standard input, for it
# holds the password.
set -eu

case "$1" in
admit)
	mariadb --host=database --user=keeper <<SQL
CREATE USER IF NOT EXISTS '$DATABASE_USER'@'%' IDENTIFIED BY '$DATABASE_PASSWORD';
ALTER USER '$DATABASE_USER'@'%' IDENTIFIED BY '$DATABASE_PASSWORD' ACCOUNT UNLOCK;
GRANT ALL ON wordpress.* TO '$DATABASE_USER'@'%';
SQL
	;;
retire)
	mariadb --host=database --user=keeper <<SQL
ALTER USER IF EXISTS '$DATABASE_USER'@'%' ACCOUNT LOCK;
KILL USER '$DATABASE_USER';
SQL
	;;
esac
