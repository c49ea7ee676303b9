// Asks for products with a key that does not exist. Medusa looks the key up, so that any answer below 500 means that its database
// answers too. /health answers 200 without a database (read at v2.0.0, seen at 2.21.2).
fetch('http://127.0.0.1:9000/store/products?limit=1', {
	headers: { 'x-publishable-api-key': 'readiness' },
	signal: AbortSignal.timeout(4000),
}).then(
	(response) => {
		if (response.status >= 500) {
			console.error(`/store/products answered ${response.status}: no database?`)
			process.exit(1)
		}
	},
	(error) => {
		console.error(`/store/products: ${error.message}`)
		process.exit(1)
	},
)
