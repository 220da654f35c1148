"""A line of help for each command of the service, without the imports of its module."""

from __future__ import annotations

HELP = {
    "config": "Show or check the configuration.",
    "dev": "Run everything on this machine: PostgreSQL, Valkey and the service.",
    "log": "Look at the log of all records, and see to its signing.",
    "migrate": "Bring the database's schema up to date.",
    "serve": "Run the service under gunicorn.",
    "token": "Make tokens for callers of the service.",
}
