#!/bin/sh
# Installs the shop, or brings it to the wanted versions. It runs after every change, so each step may find its work done.
set -eu
cd /var/www/html

until php /etc/store/database-ready.php; do # the pod's deadline bounds the wait
	sleep 3
done

if ! wp core is-installed; then
	# wp-cli repeats a prompted value on its output (wp-cli/wp-cli#5568), which must not reach the log.
	wp core install --url="${SHOP_URL:-http://localhost}" --title="$SHOP_TITLE" --skip-email \
		--admin_user="$(cat /secrets/admin/username)" --admin_email="$(cat /secrets/admin/email)" \
		--prompt=admin_password </secrets/admin/password >/dev/null
	wp rewrite structure '/%postname%/'
fi
php /etc/store/admin.php
wp core update-db
wp option update blogname "$SHOP_TITLE"

if [ "$SHOP_LOCALE" != en_US ]; then
	wp language core install "$SHOP_LOCALE"
fi
wp site switch-language "$SHOP_LOCALE"

if [ "$(wp plugin get woocommerce --field=version 2>/dev/null)" != "$WOOCOMMERCE_VERSION" ]; then
	archive=/tmp/woocommerce.zip
	curl --fail --silent --show-error --location --retry 3 --output "$archive" "$WOOCOMMERCE_URL"
	if [ -n "$WOOCOMMERCE_SHA256" ]; then
		echo "$WOOCOMMERCE_SHA256  $archive" | sha256sum -c -
	fi
	wp plugin install "$archive" --force
	rm "$archive"
fi
wp plugin activate woocommerce
wp wc update
wp option update woocommerce_coming_soon no # left on, it hides the shop and breaks carts
