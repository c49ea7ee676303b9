// Creates the first administrator. It may run again: what exists stays as it is. `medusa user` does neither that nor takes the
// password from a file. Modules are named by their registration keys, because a file outside the project can import nothing.
const { readFileSync } = require('node:fs')

const read = (key) => readFileSync(`/secrets/admin/${key}`, 'utf8').trimEnd()

async function admin({ container }) {
	const users = container.resolve('user')
	const auth = container.resolve('auth')
	const email = read('email')

	let [user] = await users.listUsers({ email })
	user ??= await users.createUsers({ email })

	let [identity] = await auth.listAuthIdentities({ provider_identities: { entity_id: email, provider: 'emailpass' } })
	if (!identity) {
		const result = await auth.register('emailpass', { body: { email, password: read('password') } })
		if (!result.success) {
			throw new Error(`cannot register the administrator: ${result.error}`)
		}
		identity = result.authIdentity
	}
	if (identity.app_metadata?.user_id !== user.id) {
		await auth.updateAuthIdentities({ id: identity.id, app_metadata: { user_id: user.id } })
	}
	console.log(`administrator ${email} is there`)
}

module.exports = { default: admin } // Medusa follows "default" for as long as there is one
