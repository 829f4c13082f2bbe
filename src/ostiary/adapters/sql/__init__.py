"""PostgreSQL: tables, one store per feature, the unit of work, migrations."""
