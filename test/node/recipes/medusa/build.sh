# Migrations make these directories where they are missing, which a read-only root refuses.
for dist in /app/node_modules/@medusajs/*/dist; do
	mkdir -p "$dist/migrations"
done
