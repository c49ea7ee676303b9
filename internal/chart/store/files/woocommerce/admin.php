<?php
// Gives the administrator the password of the Secret "admin". `wp user update` would take it on argv.
require '/var/www/html/wp-load.php';

$read = fn (string $key) => trim((string) file_get_contents("/secrets/admin/$key"));
$user = get_user_by('login', $read('username'));
$password = wp_slash($read('password')); // as the login form hands it over
if ($user && !wp_check_password($password, $user->user_pass, $user->ID)) {
	wp_set_password($password, $user->ID);
	echo "the administrator has another password\n";
}
