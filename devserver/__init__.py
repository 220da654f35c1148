"""Embedded PostgreSQL and Valkey for the local run and the tests: real servers, in a folder of ours.

Each server is a child process that ends when we do, even if we are killed: a guard process beside it watches us
(see `Child`). A server listens on loopback only, asks for a password that was drawn at random, and keeps its
durability on. What it writes is for its owner alone, with any umask. Nothing outside its data directory is written or
re-permissioned.
"""

from devserver.accounts import Account
from devserver.errors import DevError, StartCancelledError
from devserver.keeper import Keeper, how
from devserver.ports import PORTS, free_port, port_is_free
from devserver.postgres import (
    DATABASE,
    OWNER_ROLE,
    SERVICE_ROLE,
    SUPERUSER_ROLE,
    EmbeddedPostgres,
    check_version,
    postgres_binaries,
    postgres_url,
)
from devserver.processes import PRIVATE_UMASK, Child
from devserver.server import Server
from devserver.valkey import EmbeddedValkey, valkey_binary

__all__ = [
    "DATABASE",
    "OWNER_ROLE",
    "PORTS",
    "PRIVATE_UMASK",
    "SERVICE_ROLE",
    "SUPERUSER_ROLE",
    "Account",
    "Child",
    "DevError",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "Keeper",
    "Server",
    "StartCancelledError",
    "check_version",
    "free_port",
    "how",
    "port_is_free",
    "postgres_binaries",
    "postgres_url",
    "valkey_binary",
]
