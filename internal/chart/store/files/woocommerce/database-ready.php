<?php
// Exits with 0 once the database answers. wp-cli's own check runs a client that fails against many servers
// (docker-library/wordpress#862, wp-cli/db-command#288).
mysqli_report(MYSQLI_REPORT_OFF);
$secret = fn (string $key) => rtrim((string) file_get_contents("/secrets/credentials/$key"), "\r\n");
if (!@mysqli_connect('database', $secret('database-user'), $secret('database-password'), 'wordpress')) {
	fwrite(STDERR, 'database: ' . mysqli_connect_error() . "\n");
	exit(1);
}
