// Creates the first administrator, and gives it the password of the Secret "admin" whenever that is another one than before. One that
// the administrator has chosen in the shop stays until then. `medusa user` does neither run twice nor take the password from a file.
// Modules are named by their registration keys, because a file outside the project can import nothing.
const { randomBytes, scryptSync } = require('node:crypto')
const { readFileSync } = require('node:fs')

const read = (key) => readFileSync(`/secrets/admin/${key}`, 'utf8').trimEnd()

const hash = (password, salt) => `${salt}:${scryptSync(password, salt, 32).toString('hex')}`

async function admin({ container }) {
	const users = container.resolve('user')
	const auth = container.resolve('auth')
	const email = read('email')
	const password = read('password')

	let [user] = await users.listUsers({ email })
	user ??= await users.createUsers({ email })

	let [identity] = await auth.listAuthIdentities({ provider_identities: { entity_id: email, provider: 'emailpass' } })
	const database = container.resolve('__pg_connection__')
	await database.raw('CREATE SCHEMA IF NOT EXISTS storeplatform')
	await database.raw('CREATE TABLE IF NOT EXISTS storeplatform.admin (email text PRIMARY KEY, password text NOT NULL)')
	const { rows: [last] } = await database.raw('SELECT password FROM storeplatform.admin WHERE email = ?', [email])
	const now = hash(password, last?.password.split(':')[0] ?? randomBytes(16).toString('hex'))
	if (!identity || last?.password !== now) {
		const result = identity
			? await auth.updateProvider('emailpass', { entity_id: email, password })
			: await auth.register('emailpass', { body: { email, password } })
		if (!result.success) {
			throw new Error(`cannot set the password of the administrator: ${result.error}`)
		}
		identity ??= result.authIdentity
		await database.raw('INSERT INTO storeplatform.admin VALUES (?, ?) ON CONFLICT (email) DO UPDATE SET password = excluded.password', [email, now])
	}
	if (identity.app_metadata?.user_id !== user.id) {
		await auth.updateAuthIdentities({ id: identity.id, app_metadata: { user_id: user.id } })
	}
	console.log(`administrator ${email} is there`)
}

module.exports = { default: admin } // Medusa follows "default" for as long as there is one
