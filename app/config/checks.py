"""What has to hold between several settings, and for the files and addresses that they name.

Each check gives its faults, one sentence each; an empty list where all is well.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

from datastorage_common.files import ReadError, as_text, read_secret, read_whole
from datastorage_common.terminal import printable

from app.config import addresses
from app.config.headers import read_headers
from app.config.settings import Settings

# Passwords, keys and certificates are a few KiB.
_MAX_FILE_BYTES = 1024 * 1024
_TRACING_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_DATABASE_ADDRESSES = ("url", "read_url", "direct_url")


def timeout_faults(s: Settings) -> list[str]:
    """Timeouts that would end one another in the wrong order."""
    faults = []
    b = s.buffer
    if 2 * (b.flush_timeout + s.redis.spill_timeout) >= b.commit_timeout:
        faults.append(
            "2 × (buffer.flush_timeout + redis.spill_timeout) must be less than buffer.commit_timeout "
            f"(2 × ({b.flush_timeout:g}s + {s.redis.spill_timeout:g}s) against {b.commit_timeout:g}s)"
        )
    if b.flush_statement_timeout >= b.flush_timeout:
        faults.append("buffer.flush_statement_timeout must be less than buffer.flush_timeout")
    if s.health.probe_timeout <= 0:
        faults.append("health.probe_timeout must be more than 0")
    return faults


def address_faults(s: Settings) -> list[str]:
    """Addresses of the stores that would be read in another way than they are meant."""
    given = [(f"database.{key}", getattr(s.database, key), addresses.check_postgresql) for key in _DATABASE_ADDRESSES]
    if s.database.url is None:
        given.append(("database.host", s.database.parts(), addresses.check_postgresql))
    faults = []
    for name, address, check in [*given, ("redis.url", s.redis.url, addresses.check_redis)]:
        if address is not None:
            try:
                check(address)
            except ValueError as e:
                faults.append(f"{name} {e}")
    return faults


def sentinel_faults(s: Settings) -> list[str]:
    """Settings of Redis that do not go together with sentinels, or without them."""
    r = s.redis
    if not r.sentinels:
        return ["redis.sentinel_password_file needs redis.sentinels"] if r.sentinel_password_file is not None else []
    if r.url is not None and r.url.startswith("unix://"):
        return ["redis.sentinels name an address over TCP: redis.url must start with redis:// or rediss://"]
    return []


def tracing_faults(s: Settings) -> list[str]:
    """What keeps traces from being sent, where they are asked for."""
    t = s.tracing
    if t.endpoint is None:
        return []
    faults = []
    try:
        parts = urlsplit(t.endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        faults.append("tracing.endpoint must be an address such as http://collector:4318/v1/traces")
    if t.headers_file is not None:
        try:
            read_headers(t.headers_file)
        except ValueError as e:
            faults.append(f"tracing.headers_file: {printable(str(e))}")
    if not all(map(_is_installed, _TRACING_MODULES)):
        faults.append(
            "tracing.endpoint needs the extra tracing: install requirements/tracing.txt, or the wheel with [tracing]"
        )
    return faults


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False


# Settings that name a file which the service itself, libpq or redis-py has to read.
_FILES = (
    *(("database", key) for key in ("password_file", "direct_password_file", "sslrootcert", "sslcert", "sslkey")),
    *(("redis", key) for key in ("password_file", "sentinel_password_file", "ca_file", "cert_file", "key_file")),
)


def file_faults(s: Settings) -> list[str]:
    """Files that cannot be read, and those that need another setting beside them."""
    given = {f"{section}.{key}": getattr(getattr(s, section), key) for section, key in _FILES}
    # libpq has a word for the authorities that the machine knows.
    named = {
        k: file for k, file in given.items() if file is not None and (k, file) != ("database.sslrootcert", "system")
    }
    faults = [f"{name}: {fault}" for name, file in named.items() if (fault := _file_fault(name, file)) is not None]
    for certificate, key in (("database.sslcert", "database.sslkey"), ("redis.cert_file", "redis.key_file")):
        if (given[certificate] is None) != (given[key] is None):
            faults.append(f"{certificate} and {key} need each other")
    if not (s.redis.url or "").startswith("rediss://"):
        faults += [
            f"redis.{k} needs a redis.url that starts with rediss://"
            for k in ("ca_file", "cert_file")
            if given[f"redis.{k}"] is not None
        ]
    return faults


def _file_fault(name: str, file: str) -> str | None:
    """Why a file cannot be used, if it can't: one that would keep its reader waiting, or is no such file at all."""
    if not os.access(file, os.R_OK):
        return f"cannot read {printable(as_text(file))}"
    try:
        if name.endswith("password_file"):
            return None if read_secret(file) else f"{printable(as_text(file))}: is empty"
        read_whole(file, _MAX_FILE_BYTES)
    except ReadError as e:
        return str(e)
    return None
