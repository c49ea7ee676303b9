// Creates the first administrator, or gives it the password of the Secret "admin". `medusa user` does neither run twice nor take the
// password from a file. Modules are named by their registration keys, because a file outside the project can import nothing.
const { readFileSync } = require('node:fs')

const read = (key) => readFileSync(`/secrets/admin/${key}`, 'utf8').trimEnd()

async function admin({ container }) {
	const users = container.resolve('user')
	const auth = container.resolve('auth')
	const email = read('email')
	const password = read('password')

	let [user] = await users.listUsers({ email })
	user ??= await users.createUsers({ email })

	let [identity] = await auth.listAuthIdentities({ provider_identities: { entity_id: email, provider: 'emailpass' } })
	const result = identity
		? await auth.updateProvider('emailpass', { entity_id: email, password })
		: await auth.register('emailpass', { body: { email, password } })
	if (!result.success) {
		throw new Error(`cannot set the password of the administrator: ${result.error}`)
	}
	identity ??= result.authIdentity
	if (identity.app_metadata?.user_id !== user.id) {
		await auth.updateAuthIdentities({ id: identity.id, app_metadata: { user_id: user.id } })
	}
	console.log(`administrator ${email} is there`)
}

module.exports = { default: admin } // Medusa follows "default" for as long as there is one
