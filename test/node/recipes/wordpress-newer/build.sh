# A SIMULATED newer WordPress: the one below with another version, and an update of the database that adds a table.
cd /usr/src/wordpress
sed -i -e "s/^\$wp_version = .*/\$wp_version = '7.1.1';/" -e 's/^\$wp_db_version = .*/$wp_db_version = 71100;/' wp-includes/version.php
grep -F "'7.1.1'" wp-includes/version.php
grep -F '= 71100;' wp-includes/version.php

sed -i "s/^\tupdate_option( 'db_version', .*/\tupgrade_711();\n&/" wp-admin/includes/upgrade.php
grep -F 'upgrade_711();' wp-admin/includes/upgrade.php
cat >>wp-admin/includes/upgrade.php <<'PHP'

function upgrade_711() {
	global $wpdb, $wp_current_db_version;
	if ( $wp_current_db_version < 71100 ) {
		$wpdb->query( "CREATE TABLE {$wpdb->prefix}simulated (id BIGINT UNSIGNED NOT NULL PRIMARY KEY) SELECT ID AS id FROM {$wpdb->posts}" );
	}
}
PHP
