#!/bin/sh
# Runs once, when PostgreSQL's data directory is made: the role that owns the tables, and the one of the service,
# which may do no more than `datastorage migrate` gives it. Their passwords come from files.
set -eu
psql -v ON_ERROR_STOP=1 --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    -v owner_password="$(cat "$OWNER_PASSWORD_FILE")" -v service_password="$(cat "$SERVICE_PASSWORD_FILE")" <<'SQL'
CREATE ROLE datastorage_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE datastorage LOGIN PASSWORD :'service_password';
CREATE DATABASE datastorage OWNER datastorage_owner;
REVOKE ALL ON DATABASE datastorage FROM PUBLIC;
GRANT CONNECT ON DATABASE datastorage TO datastorage;
SQL
