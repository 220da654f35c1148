"""The settings of the two stores, PostgreSQL and Redis, and the addresses that follow from them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from datastorage_common.durations import parse_duration
from datastorage_common.files import read_secret
from psycopg import conninfo

from app.config import values
from app.config.declaration import setting


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    url: str | None = setting(
        None, values.optional_text, "PostgreSQL address, instead of host, port, name and user.", secret=True
    )
    host: str = setting(
        "127.0.0.1", values.text, "PostgreSQL host, or several separated by commas: the one that takes writes is used."
    )
    port: int = setting(5432, values.integer(1, 65535), "PostgreSQL port.")
    name: str = setting("datastorage", values.text, "Database.")
    user: str = setting("datastorage", values.text, "Role of the service; it needs no more than SELECT and INSERT.")
    password_file: str | None = setting(None, values.optional_text, "File that holds the role's password.")
    schema: str = setting(
        "public", values.schema, "Schema that holds the tables; migrate makes it where it is missing."
    )
    read_url: str | None = setting(
        None,
        values.optional_text,
        "PostgreSQL address of a replica that queries go to while it answers; with the role and password of url.",
        secret=True,
    )
    direct_url: str | None = setting(
        None,
        values.optional_text,
        "PostgreSQL address for migrations: the role that owns the tables, past any pooler. Default: as url.",
        secret=True,
    )
    direct_password_file: str | None = setting(
        None, values.optional_text, "File that holds the password of the role of direct_url."
    )
    prepared_statements: bool = setting(
        True, values.boolean, "Prepare statements where no pooler is in between; false never prepares any."
    )
    pool_size: int = setting(
        25, values.integer(1, 1000), "Connections for queries of an instance, shared by its workers."
    )
    pool_timeout: float = setting(5.0, parse_duration, "Longest wait for a connection of the pool; then 503.")
    statement_timeout: float = setting(30.0, parse_duration, "Longest run of a query.")
    lock_timeout: float = setting(10.0, parse_duration, "Longest wait of a query for a lock.")
    connect_timeout: float = setting(3.0, parse_duration, "Longest wait for a connection to be made.")
    sslmode: str = setting(
        "prefer",
        values.choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "TLS to PostgreSQL, as libpq names it; used with host, not with url.",
    )
    sslrootcert: str | None = setting(
        None,
        values.optional_text,
        "File of the authorities that may vouch for PostgreSQL, or system; for every address.",
    )
    sslcert: str | None = setting(None, values.optional_text, "File of the certificate that PostgreSQL is shown.")
    sslkey: str | None = setting(None, values.optional_text, "File of the key of sslcert.")

    def conninfo(self) -> str:
        """libpq connection string of the service's role; the password file is read at each call. Raises ReadError."""
        return self._complete(self.url if self.url is not None else self.parts(), self.password_file)

    def parts(self) -> str:
        """libpq connection string of host, port, name, user and sslmode, which url takes the place of."""
        return conninfo.make_conninfo(
            host=self.host, port=self.port, dbname=self.name, user=self.user, sslmode=self.sslmode
        )

    def read_conninfo(self) -> str:
        """libpq connection string of the replica that queries go to; needs read_url."""
        return self._complete(str(self.read_url), self.password_file, writable=False)

    def migration_conninfo(self) -> str:
        """libpq connection string of the role that owns the tables."""
        if self.direct_url is not None:
            return self._complete(self.direct_url, self.direct_password_file)
        return self.conninfo()

    def as_owner(self) -> DatabaseSettings:
        """These settings with the address of the role that owns the tables, where it has one of its own."""
        if self.direct_url is None:
            return self
        return dataclasses.replace(self, url=self.direct_url, password_file=self.direct_password_file)

    def _complete(self, dsn: str, password_file: str | None, *, writable: bool = True) -> str:
        """The address with what it does not say itself: TLS files, which of several hosts, and the password."""
        known = conninfo.conninfo_to_dict(dsn)
        files = {"sslrootcert": self.sslrootcert, "sslcert": self.sslcert, "sslkey": self.sslkey}
        added = {key: file for key, file in files.items() if file is not None and key not in known}
        if writable and "," in str(known.get("host", "")) and "target_session_attrs" not in known:
            added["target_session_attrs"] = "read-write"
        if password_file is not None:
            added["password"] = read_secret(password_file)
        return conninfo.make_conninfo(dsn, **added) if added else dsn

    def service_role(self) -> str | None:
        """Name of the role that the service connects as, or None where the address does not name one."""
        user = conninfo.conninfo_to_dict(self.conninfo()).get("user")
        return str(user) if user is not None else None


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    url: str | None = setting(
        None, values.optional_text, "Redis or Valkey address; without one there is no dead letter queue.", secret=True
    )
    password_file: str | None = setting(None, values.optional_text, "File that holds the Redis password.")
    sentinels: tuple[str, ...] = setting(
        (),
        values.sentinels,
        "Sentinels that say which Redis is the primary, host:port each; url then says user, database and TLS alone.",
    )
    sentinel_service: str = setting("mymaster", values.text, "Name under which the sentinels watch the primary.")
    sentinel_password_file: str | None = setting(
        None, values.optional_text, "File that holds the sentinels' own password."
    )
    ca_file: str | None = setting(
        None, values.optional_text, "File of the authorities that may vouch for Redis, with a rediss: address."
    )
    cert_file: str | None = setting(None, values.optional_text, "File of the certificate that Redis is shown.")
    key_file: str | None = setting(None, values.optional_text, "File of the key of cert_file.")
    spill_timeout: float = setting(0.5, parse_duration, "Longest wait for a write to the dead letter queue.")
    min_replicas: int = setting(
        0, values.integer(0, 10), "Replicas that must have a spilled event before it is answered."
    )

    @property
    def configured(self) -> bool:
        """Whether there is a Redis."""
        return self.url is not None or bool(self.sentinels)

    @property
    def address(self) -> str:
        """The address; with sentinels its host means nothing, and plain TCP is the default."""
        return self.url if self.url is not None else "redis://by-sentinels/0"
