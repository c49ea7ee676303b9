<?php
/*
 * Plugin Name: STAND-IN for WooCommerce (it sells nothing)
 * Description: Takes the place of WooCommerce in tests where the plugin cannot be fetched. It answers the address that WooCommerce's Store API has.
 * Version: %s
 */

add_action('rest_api_init', function () {
	register_rest_route('wc/store/v1', '/products', [
		'methods' => 'GET',
		'permission_callback' => '__return_true',
		'callback' => fn () => [['name' => 'STAND-IN for WooCommerce']],
	]);
});
