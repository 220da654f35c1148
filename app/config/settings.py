"""Every setting of the service: read, checked and explained in one place.

A setting is a field of one of the section classes below, with its default, the kind of value it takes and one
sentence of help. From these come the YAML file's keys, the environment's names (``DATASTORAGE_SECTION__KEY``),
the command line's ``datastorage config`` and the table in the documentation.

Precedence, lowest first: defaults, the YAML file, the environment. An unknown key or a wrong value stops the
start with one `ConfigError` that lists all of them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from datastorage_common import yamlfile
from datastorage_common.durations import parse_duration
from datastorage_common.files import ReadError, as_text, read_secret, read_whole
from datastorage_common.jsonvalue import is_storable_text
from datastorage_common.terminal import printable
from datastorage_common.yamlnodes import YAMLFault
from psycopg import conninfo

from app.auth.tokens import ALGORITHMS, CredentialFileError, make_verifier
from app.config import addresses
from app.config.values import boolean as _boolean
from app.config.values import choice as _choice
from app.config.values import durations as _durations
from app.config.values import hosts as _hosts
from app.config.values import integer as _integer
from app.config.values import networks as _networks
from app.config.values import optional_text as _optional_text
from app.config.values import parse_size as parse_size
from app.config.values import schema as _schema
from app.config.values import subset as _subset
from app.config.values import text as _text
from app.config.values import texts as _texts

ENV_PREFIX = "DATASTORAGE_"
DEFAULT_EVENT_CATEGORIES = (
    "gateway",
    "notification",
    "analysis",
    "signalprocessing",
    "workflow",
    "execution",
    "orchestration",
)
# All settings with all they may hold are a few KiB.
_MAX_FILE_BYTES = 1024 * 1024


class ConfigError(Exception):
    """The configuration cannot be used; the message lists every fault, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("configuration: " + "; ".join(faults))
        self.faults = faults


def available_cores() -> int:
    """Cores this process may use: its affinity, bounded by a cgroup quota where one is set; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return max(1, min(cores, int(quota)) if quota else cores)


def cpu_quota() -> float | None:
    """The cgroup's CPU quota in cores (cgroup v2, then v1), or None where there is none."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        base = Path("/sys/fs/cgroup/cpu")
        quota = int((base / "cpu.cfs_quota_us").read_text())
        return quota / int((base / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None


def _sentinels(value: object) -> tuple[str, ...]:
    """A list of host:port; an IPv6 address stands in brackets."""
    addresses = _texts(value)
    for address in addresses:
        try:
            parts = urlsplit(f"//{address}")
            good = bool(parts.hostname) and bool(parts.port) and parts.netloc == address and "@" not in address
        except ValueError:
            good = False
        if not good:
            raise ValueError("a list of host:port, such as sentinel-0:26379")
    return addresses


def setting(default: Any, parse: Callable[[object], Any], help_text: str, *, secret: bool = False) -> Any:
    """One setting: its default in parsed form, how its value is read, and what it does."""
    # A secret is in no representation either: that ends up in logs and tracebacks.
    return field(default=default, repr=not secret, metadata={"parse": parse, "help": help_text, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    host: str = setting(
        "127.0.0.1",
        _hosts,
        "Address to listen on, or several separated by commas; :: takes IPv4 as well where 0.0.0.0 is not in the list.",
    )
    port: int = setting(8080, _integer(1, 65535), "Port of the API.")
    workers: int = setting(0, _integer(0, 256), "Worker processes; 0 means one for each core this process may use.")
    threads: int = setting(32, _integer(1, 512), "Request threads of a worker.")
    pin_workers: str = setting(
        "auto",
        _choice("auto", "always", "never"),
        "Pin each worker to one core; auto does so where no CPU quota is set and workers ≤ cores.",
    )
    switch_interval: float = setting(
        0.005, parse_duration, "How long a Python thread may keep the interpreter while others wait for it."
    )
    max_body_size: int = setting(5 * 1024**2, parse_size, "Largest request body, after decompression.")
    max_body_bytes_in_flight: int = setting(
        48 * 1024**2, parse_size, "Request bodies that a worker keeps at a time, in bytes; beyond that 503."
    )
    max_response_bytes: int = setting(
        8 * 1024**2,
        parse_size,
        "Largest answer with a page of rows: it ends early, with a cursor; a single row is given whole.",
    )
    problem_base_url: str = setting("https://kubernaut.ai/problems", _text, "What the `type` of a problem starts with.")
    cors_allowed_origins: tuple[str, ...] = setting(
        (), _texts, "Origins whose pages may call the API from a browser; none by default."
    )
    header_timeout: float = setting(
        5.0,
        parse_duration,
        "How long a request's line and headers may take to arrive, all of them.",
    )
    body_timeout: float = setting(30.0, parse_duration, "How long a request's body may take to arrive, all of it.")
    answer_timeout: float = setting(30.0, parse_duration, "How long a client may take to read an answer.")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        _networks,
        "Networks of the proxies in front: a client's address is taken from a header only when it comes from there.",
    )
    proxy_header: str = setting(
        "x-forwarded-for",
        _choice("x-forwarded-for", "forwarded"),
        "The header that the trusted proxies write the client's address into; the other one is the client's own.",
    )
    keepalive: int = setting(75, _integer(0, 3600), "Seconds an idle keep-alive connection stays open.")

    def hosts(self) -> tuple[str, ...]:
        """The addresses of host, each without brackets."""
        return addresses.hosts(self.host)

    def effective_workers(self) -> int:
        """Worker processes to start."""
        return self.workers or available_cores()


@dataclass(frozen=True, kw_only=True)
class LoggingSettings:
    level: str = setting("info", _choice("debug", "info", "warning", "error"), "Least level that is logged.")
    format: str = setting(
        "auto", _choice("auto", "json", "console"), "Form of a log line; auto is console on a terminal, else json."
    )
    requests: bool = setting(
        True, _boolean, "Log a line for each request; those of probes and scrapes only where they fail."
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    url: str | None = setting(
        None, _optional_text, "PostgreSQL address, instead of host, port, name and user.", secret=True
    )
    host: str = setting(
        "127.0.0.1", _text, "PostgreSQL host, or several separated by commas: the one that takes writes is used."
    )
    port: int = setting(5432, _integer(1, 65535), "PostgreSQL port.")
    name: str = setting("datastorage", _text, "Database.")
    user: str = setting("datastorage", _text, "Role of the service; it needs no more than SELECT and INSERT.")
    password_file: str | None = setting(None, _optional_text, "File that holds the role's password.")
    schema: str = setting("public", _schema, "Schema that holds the tables; migrate makes it where it is missing.")
    read_url: str | None = setting(
        None,
        _optional_text,
        "PostgreSQL address of a replica that queries go to while it answers; with the role and password of url.",
        secret=True,
    )
    direct_url: str | None = setting(
        None,
        _optional_text,
        "PostgreSQL address for migrations: the role that owns the tables, past any pooler. Default: as url.",
        secret=True,
    )
    direct_password_file: str | None = setting(
        None, _optional_text, "File that holds the password of the role of direct_url."
    )
    prepared_statements: bool = setting(
        True, _boolean, "Prepare statements where no pooler is in between; false never prepares any."
    )
    pool_size: int = setting(25, _integer(1, 1000), "Connections for queries of an instance, shared by its workers.")
    pool_timeout: float = setting(5.0, parse_duration, "Longest wait for a connection of the pool; then 503.")
    statement_timeout: float = setting(30.0, parse_duration, "Longest run of a query.")
    lock_timeout: float = setting(10.0, parse_duration, "Longest wait of a query for a lock.")
    connect_timeout: float = setting(3.0, parse_duration, "Longest wait for a connection to be made.")
    sslmode: str = setting(
        "prefer",
        _choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "TLS to PostgreSQL, as libpq names it; used with host, not with url.",
    )
    sslrootcert: str | None = setting(
        None, _optional_text, "File of the authorities that may vouch for PostgreSQL, or system; for every address."
    )
    sslcert: str | None = setting(None, _optional_text, "File of the certificate that PostgreSQL is shown.")
    sslkey: str | None = setting(None, _optional_text, "File of the key of sslcert.")

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
        None, _optional_text, "Redis or Valkey address; without one there is no dead letter queue.", secret=True
    )
    password_file: str | None = setting(None, _optional_text, "File that holds the Redis password.")
    sentinels: tuple[str, ...] = setting(
        (),
        _sentinels,
        "Sentinels that say which Redis is the primary, host:port each; url then says user, database and TLS alone.",
    )
    sentinel_service: str = setting("mymaster", _text, "Name under which the sentinels watch the primary.")
    sentinel_password_file: str | None = setting(None, _optional_text, "File that holds the sentinels' own password.")
    ca_file: str | None = setting(
        None, _optional_text, "File of the authorities that may vouch for Redis, with a rediss: address."
    )
    cert_file: str | None = setting(None, _optional_text, "File of the certificate that Redis is shown.")
    key_file: str | None = setting(None, _optional_text, "File of the key of cert_file.")
    spill_timeout: float = setting(0.5, parse_duration, "Longest wait for a write to the dead letter queue.")
    min_replicas: int = setting(0, _integer(0, 10), "Replicas that must have a spilled event before it is answered.")

    @property
    def configured(self) -> bool:
        """Whether there is a Redis."""
        return self.url is not None or bool(self.sentinels)

    @property
    def address(self) -> str:
        """The address; with sentinels its host means nothing, and plain TCP is the default."""
        return self.url if self.url is not None else "redis://by-sentinels/0"


@dataclass(frozen=True, kw_only=True)
class BufferSettings:
    size: int = setting(1000, _integer(1, 1_000_000), "Events that wait in a worker's queue at the most.")
    max_bytes: int = setting(32 * 1024**2, parse_size, "Bytes of events that wait in a worker's queue at the most.")
    max_batch: int = setting(500, _integer(1, 10_000), "Events that one flush takes; a larger request goes alone.")
    enqueue_timeout: float = setting(1.0, parse_duration, "Longest wait for room in the queue; then 503 buffer-full.")
    commit_timeout: float = setting(10.0, parse_duration, "Longest wait of a request for its outcome.")
    flush_timeout: float = setting(3.0, parse_duration, "Longest flush on the service's own clock.")
    flush_statement_timeout: float = setting(
        2.0, parse_duration, "Longest statement of a flush, on PostgreSQL's clock."
    )
    flush_lock_timeout: float = setting(1.0, parse_duration, "Longest wait of a flush for a lock.")


@dataclass(frozen=True, kw_only=True)
class DLQSettings:
    max_len: int = setting(100_000, _integer(1, 10_000_000), "Entries that a stream holds at the most.")
    max_bytes: int = setting(256 * 1024**2, parse_size, "Bytes of entries that a stream holds at the most.")
    dead_letter_max: int = setting(100_000, _integer(1, 10_000_000), "Dead letters of a stream at the most.")
    remember: float = setting(
        600.0, parse_duration, "How long a worker knows what it spilled, to notice a Redis that has forgotten it."
    )
    replay_batch: int = setting(500, _integer(1, 10_000), "Entries that replay writes at a time.")
    replay_bytes: int = setting(4 * 1024**2, parse_size, "Bytes of entries that replay reads and writes at a time.")
    backoff: tuple[float, ...] = setting(
        (60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
        _durations,
        "Waits before an entry that fails by itself is tried again; after the last it is a dead letter.",
    )


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    max_batch_size: int = setting(1000, _integer(1, 100_000), "Events of one batch at the most.")
    event_categories: tuple[str, ...] = setting(
        DEFAULT_EVENT_CATEGORIES, _texts, "Values that event_category may have."
    )
    clock_skew: float = setting(300.0, parse_duration, "How far ahead of now an event_timestamp may be.")
    max_event_age: float = setting(7 * 86400.0, parse_duration, "How far back from now an event_timestamp may be.")
    max_event_data: int = setting(
        256 * 1024, parse_size, "Largest event_data as compact UTF-8, its numbers written out."
    )
    max_nesting: int = setting(32, _integer(1, 200), "Deepest nesting of event_data.")


@dataclass(frozen=True, kw_only=True)
class WorkflowSettings:
    verify_content_hash: bool = setting(
        True, _boolean, "Refuse a workflow whose content_hash is not the SHA-256 of its content."
    )


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    mode: str = setting(
        "none", _choice("none", "token", "jwt"), "How callers are known: not at all (loopback only), token or jwt."
    )
    allow_anonymous: bool = setting(
        False, _boolean, "Take requests from anyone also where the service is reachable from outside."
    )
    protect_metrics: bool = setting(False, _boolean, "Let only tokens with the scope metrics read /metrics.")
    tokens_file: str | None = setting(None, _optional_text, "File of token hashes, for mode token.")
    jwt_keys_file: str | None = setting(None, _optional_text, "File with the issuer's JSON Web Key Set, for mode jwt.")
    jwt_issuer: str | None = setting(None, _optional_text, "What the claim iss has to be, for mode jwt.")
    jwt_audience: str | None = setting(None, _optional_text, "What the claim aud has to hold, for mode jwt.")
    jwt_algorithms: tuple[str, ...] = setting(
        ALGORITHMS, _subset(ALGORITHMS), "Signatures that are accepted; a subset of the default."
    )
    jwt_leeway: float = setting(30.0, parse_duration, "How far the issuer's clock may be off, for exp, nbf and iat.")


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    port: int = setting(
        0, _integer(0, 65535), "Port of a listener that answers probes alone, whatever the request threads do; 0: none."
    )
    ready_requires_database: bool = setting(
        False, _boolean, "Not ready without PostgreSQL, even if the dead letter queue can take writes."
    )
    probe_timeout: float = setting(
        0.9, parse_duration, "How long PostgreSQL or Redis may take to answer the service's own probe; then it is away."
    )


@dataclass(frozen=True, kw_only=True)
class ShutdownSettings:
    endpoint_propagation_delay: float = setting(
        5.0, parse_duration, "Requests are still taken for so long after SIGTERM, while load balancers notice."
    )
    request_timeout: float = setting(30.0, parse_duration, "Longest wait for requests in flight at shutdown.")
    timeout: float = setting(60.0, parse_duration, "Longest shutdown in all.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of a service process; immutable."""

    server: ServerSettings = field(default_factory=ServerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    buffer: BufferSettings = field(default_factory=BufferSettings)
    dlq: DLQSettings = field(default_factory=DLQSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    workflows: WorkflowSettings = field(default_factory=WorkflowSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    shutdown: ShutdownSettings = field(default_factory=ShutdownSettings)

    SECTIONS: ClassVar[Mapping[str, type]] = {
        "server": ServerSettings,
        "logging": LoggingSettings,
        "database": DatabaseSettings,
        "redis": RedisSettings,
        "buffer": BufferSettings,
        "dlq": DLQSettings,
        "audit": AuditSettings,
        "workflows": WorkflowSettings,
        "auth": AuthSettings,
        "health": HealthSettings,
        "shutdown": ShutdownSettings,
    }

    def masked(self) -> dict[str, dict[str, Any]]:
        """Every key and its value, secrets replaced; for showing to people."""
        return {
            section: {
                f.name: _masked(f, getattr(getattr(self, section), f.name))
                for f in dataclasses.fields(getattr(self, section))
            }
            for section in self.SECTIONS
        }


# A password in a URL may hold colons, one in a key=value text may be quoted or escaped; too much masked is fine.
_USERINFO = re.compile(r"(://[^:@/]*):.*@")
_PASSWORD = re.compile(
    r"((?:password|scram_client_key|scram_server_key|client_secret)\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|\S)+)"
)


def _masked(f: dataclasses.Field[Any], value: Any) -> Any:
    if value is None or not f.metadata["secret"]:
        return list(value) if isinstance(value, tuple) else value
    return _PASSWORD.sub(r"\1****", _USERINFO.sub(r"\1:****@", value))


def load_settings(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the YAML file at ``path`` (default: ``CONFIG_PATH``) with the environment on top.

    Raises ConfigError, which names every unknown key and every wrong value.
    """
    env = os.environ if environ is None else environ
    faults: list[str] = []
    given = _from_file(path or env.get("CONFIG_PATH") or None, faults)
    for name, text in env.items():
        if name.startswith(ENV_PREFIX) and "__" in name:
            if not is_storable_text(text):
                faults.append(f"{name}: holds bytes that are not UTF-8")
                continue
            section, key = name[len(ENV_PREFIX) :].lower().split("__", 1)
            given.setdefault(section, {})[key] = (text, name)
    parts: dict[str, Any] = {}
    for section, keys in given.items():
        cls = Settings.SECTIONS.get(section)
        if cls is None:
            faults.extend(f"{source}: there is no section {section}" for _, source in list(keys.values())[:1])
            continue
        fields = {f.name: f for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for key, (value, where) in keys.items():
            if key not in fields:
                faults.append(f"{where}: there is no key {section}.{key}")
                continue
            try:
                values[key] = fields[key].metadata["parse"](value)
            except ValueError as e:
                faults.append(f"{where}: {section}.{key} must be {e}")
        parts[section] = cls(**values)
    settings = Settings(**parts)
    faults.extend(_inconsistent(settings))
    if faults:
        raise ConfigError(faults)
    return settings


def _from_file(path: str | None, faults: list[str]) -> dict[str, dict[str, tuple[object, str]]]:
    if path is None:
        return {}
    try:
        document = yamlfile.settings(read_whole(path, _MAX_FILE_BYTES))
    except ReadError as e:
        raise ConfigError([str(e)]) from None
    except YAMLFault as e:
        raise ConfigError([f"{printable(as_text(path))}: {e}"]) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError([f"{path}: must hold sections such as server: and database:"])
    given: dict[str, dict[str, tuple[object, str]]] = {}
    for section, keys in document.items():
        if str(section) not in Settings.SECTIONS:
            faults.append(f"{path}: there is no section {section}")
        elif keys is None:
            continue
        elif not isinstance(keys, dict):
            faults.append(f"{path}: {section} must hold keys")
        else:
            given[str(section)] = {str(k): (v, path) for k, v in keys.items()}
    return given


def _inconsistent(s: Settings) -> list[str]:
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
    open_hosts = [host for host in s.server.hosts() if not addresses.is_loopback(host)]
    if open_hosts and s.auth.mode == "none" and not s.auth.allow_anonymous:
        faults.append(
            f"server.host {','.join(open_hosts)} is reachable from outside and auth.mode is none: "
            "choose an auth.mode, or set auth.allow_anonymous: true"
        )
    faults.extend(_auth_faults(s.auth))
    faults.extend(_file_faults(s))
    faults.extend(_address_faults(s))
    faults.extend(_sentinel_faults(s.redis))
    return faults


def _address_faults(s: Settings) -> list[str]:
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


_DATABASE_ADDRESSES = ("url", "read_url", "direct_url")


def _sentinel_faults(r: RedisSettings) -> list[str]:
    if not r.sentinels:
        return ["redis.sentinel_password_file needs redis.sentinels"] if r.sentinel_password_file is not None else []
    if r.url is not None and r.url.startswith("unix://"):
        return ["redis.sentinels name an address over TCP: redis.url must start with redis:// or rediss://"]
    return []


# Settings that name a file which the service itself, libpq or redis-py has to read.
_FILES = (
    *(("database", key) for key in ("password_file", "direct_password_file", "sslrootcert", "sslcert", "sslkey")),
    *(("redis", key) for key in ("password_file", "sentinel_password_file", "ca_file", "cert_file", "key_file")),
)


def _file_faults(s: Settings) -> list[str]:
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


def _auth_faults(a: AuthSettings) -> list[str]:
    needed = {"token": ("tokens_file",), "jwt": ("jwt_keys_file", "jwt_issuer", "jwt_audience")}.get(a.mode, ())
    if missing := [f"auth.mode {a.mode} needs auth.{key}" for key in needed if not getattr(a, key)]:
        return missing
    try:
        make_verifier(a)
    except CredentialFileError as e:
        return [f"auth.{needed[0]}: {e}"]
    return []
