# Debian's MariaDB, arranged as in the official image.
groupadd --system --gid 999 mysql
useradd --system --uid 999 --gid mysql --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql
apt-get update
apt-get install --yes mariadb-server mariadb-backup tzdata zstd
rm -rf /var/lib/mysql
mkdir -p /var/lib/mysql /run/mysqld /docker-entrypoint-initdb.d
chown mysql:mysql /var/lib/mysql /run/mysqld
chmod 1777 /run/mysqld
