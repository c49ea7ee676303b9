import { defineConfig } from '@medusajs/framework/utils'

// Everything comes from the environment that the chart gives. Without REDIS_URL sessions and events stay in memory.
const redisUrl = process.env.REDIS_URL

export default defineConfig({
	admin: {
		disable: process.env.DISABLE_MEDUSA_ADMIN === 'true',
		backendUrl: process.env.MEDUSA_BACKEND_URL,
	},
	projectConfig: {
		databaseUrl: process.env.DATABASE_URL,
		redisUrl,
		workerMode: (process.env.MEDUSA_WORKER_MODE ?? 'shared') as 'shared' | 'server' | 'worker',
		http: {
			storeCors: process.env.STORE_CORS ?? '',
			adminCors: process.env.ADMIN_CORS ?? '',
			authCors: process.env.AUTH_CORS ?? '',
			jwtSecret: process.env.JWT_SECRET,
			cookieSecret: process.env.COOKIE_SECRET,
		},
	},
	modules: redisUrl
		? [
				{ resolve: '@medusajs/medusa/cache-redis', options: { redisUrl } },
				{ resolve: '@medusajs/medusa/event-bus-redis', options: { redisUrl } },
				{ resolve: '@medusajs/medusa/workflow-engine-redis', options: { redis: { url: redisUrl } } },
			]
		: [],
})
