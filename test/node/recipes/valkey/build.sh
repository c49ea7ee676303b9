# Debian's Redis 7 under the names of Valkey, which began as a copy of it.
groupadd --system --gid 999 redis
useradd --system --uid 999 --gid redis --home-dir /data --shell /usr/sbin/nologin redis
apt-get update
apt-get install --yes redis-server redis-tools
ln -s /usr/bin/redis-server /usr/local/bin/valkey-server
ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli
mkdir -p /data
chown redis:redis /data
