-- Runs once, while the data directory is empty. POSTGRES_USER is a superuser, so the shop gets a role and a database of its own.
SET log_min_error_statement TO panic; -- a failing statement would be logged with its password
\set password `cat /secrets/credentials/database-password`
CREATE ROLE medusa LOGIN PASSWORD :'password';
CREATE DATABASE medusa OWNER medusa;
