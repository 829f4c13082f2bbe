#!/bin/sh
# Run once by the database's image: the roles that transactions take on, and the login of the service, which sees
# nothing by itself (docs/adr/0009-row-security-and-roles.md).
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `cat /run/secrets/database-password`
CREATE ROLE ostiary_web NOLOGIN;
CREATE ROLE ostiary_web_all NOLOGIN;
CREATE ROLE ostiary_egress NOLOGIN;
CREATE ROLE ostiary_egress_all NOLOGIN;
CREATE ROLE ostiary LOGIN NOINHERIT PASSWORD :'password';
GRANT ostiary_web, ostiary_web_all, ostiary_egress, ostiary_egress_all TO ostiary;
SQL
