# Debian's Apache, PHP and WordPress, arranged as in the official image.
apt-get update
apt-get install --yes apache2 libapache2-mod-php php-mysql php-curl php-gd php-intl php-mbstring php-xml php-zip php-bcmath \
	curl ca-certificates unzip wordpress wordpress-theme-twentytwentythree

# The official image keeps WordPress as plain files for its entrypoint; Debian links libraries of other packages into it.
cp --recursive --dereference --no-clobber --no-preserve=ownership /usr/share/wordpress/. /usr/src/wordpress/
rm -f /usr/src/wordpress/wp-config.php
mkdir -p /usr/src/wordpress/wp-content/plugins /usr/src/wordpress/wp-content/themes /usr/src/wordpress/wp-content/uploads
test -f /usr/src/wordpress/wp-includes/version.php
chown -R www-data:www-data /usr/src/wordpress

# Apache writes to the container's output and runs without root, as any user.
a2enmod rewrite expires remoteip
a2disconf other-vhosts-access-log
ln -sf /dev/stderr /var/log/apache2/error.log
ln -sf /dev/stdout /var/log/apache2/access.log
chmod 1777 /var/log/apache2
rm -rf /var/www/html
mkdir -p /var/www/html /usr/local/etc/php/conf.d
chown www-data:www-data /var/www/html
chmod 1777 /var/www/html
