# Above the WordPress image, whose PHP and libraries it shares. Debian has no wp-cli: bin/wp is a stand-in.
chmod 755 /usr/local/bin/wp
