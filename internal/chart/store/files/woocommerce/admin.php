<?php
// Gives the administrator the password of the Secret "admin" whenever that is another one than before. One that the administrator
// has chosen in the shop stays until then. `wp user update` would take the password on argv.
require '/var/www/html/wp-load.php';

const LAST = 'storeplatform_admin'; // option: a hash of the password that came from the Secret last

$read = fn (string $key) => trim((string) file_get_contents("/secrets/admin/$key"));
$user = get_user_by('login', $read('username'));
$password = wp_slash($read('password')); // as the login form hands it over
if ($user && !wp_check_password($password, (string) get_option(LAST))) {
	if (!wp_check_password($password, $user->user_pass, $user->ID)) {
		wp_set_password($password, $user->ID);
		echo "the administrator has another password\n";
	}
	update_option(LAST, wp_hash_password($password), false);
}
