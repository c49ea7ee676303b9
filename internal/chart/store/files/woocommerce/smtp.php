<?php
/*
 * Plugin Name: Mail relay
 * Description: Sends mail through the relay in the Secret "smtp". The WordPress image has no mailer (docker-library/wordpress#30).
 */

function store_smtp(string $key): string
{
	$file = '/secrets/smtp/' . $key;
	return is_readable($file) ? rtrim((string) file_get_contents($file), "\r\n") : '';
}

add_action('phpmailer_init', function ($mailer) {
	$mailer->isSMTP();
	$mailer->Host = store_smtp('host');
	$mailer->Port = (int) store_smtp('port');
	$mailer->SMTPSecure = match ($mailer->Port) {
		465 => 'ssl',
		587 => 'tls',
		default => '', // STARTTLS where the relay offers it
	};
	$mailer->SMTPAuth = store_smtp('user') !== '';
	$mailer->Username = store_smtp('user');
	$mailer->Password = store_smtp('password');
});

add_filter('wp_mail_from', fn () => store_smtp('from'));
