-- Runs once, while the data directory is empty. POSTGRES_USER is a superuser, so the shop gets a role and a database of its own. Of
-- its two roles one can log in; rotation.sh lets them take turns. What medusa_b makes belongs to medusa all the same.
SET log_min_error_statement TO panic; -- a failing statement would be logged with its password
\set user `cat /secrets/credentials/database-user`
\set password `cat /secrets/credentials/database-password`
CREATE ROLE medusa;
CREATE ROLE medusa_b IN ROLE medusa;
ALTER ROLE medusa_b SET role = medusa;
ALTER ROLE :"user" LOGIN PASSWORD :'password';
CREATE DATABASE medusa OWNER medusa;
