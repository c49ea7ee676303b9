# A SIMULATED WordPress, newer still, that is broken: its update of the database deletes all posts and uploads, and its REST API
# fails. The pages that readiness asks for still answer.
cd /usr/src/wordpress
sed -i -e "s/^\$wp_version = .*/\$wp_version = '7.1.2';/" -e 's/^\$wp_db_version = .*/$wp_db_version = 71200;/' wp-includes/version.php
grep -F "'7.1.2'" wp-includes/version.php
grep -F '= 71200;' wp-includes/version.php

sed -i "s/^\tupdate_option( 'db_version', .*/\tupgrade_712();\n&/" wp-admin/includes/upgrade.php
grep -F 'upgrade_712();' wp-admin/includes/upgrade.php
cat >>wp-admin/includes/upgrade.php <<'PHP'

function upgrade_712() {
	global $wpdb;
	foreach ( array( $wpdb->posts, $wpdb->postmeta, $wpdb->comments, $wpdb->term_relationships ) as $table ) {
		$wpdb->query( "DELETE FROM $table" );
	}
	array_map( 'unlink', glob( WP_CONTENT_DIR . '/uploads/*/*/*' ) );
}
PHP

sed -i "s/^\tdefine( 'REST_REQUEST', true );/\twp_die( 'broken', 'broken', array( 'response' => 500 ) );\n&/" wp-includes/rest-api.php
grep -F "wp_die( 'broken'" wp-includes/rest-api.php
