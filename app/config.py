"""Every setting of the service: read, checked and explained in one place.

A setting is a field of one of the section classes below, with its default, the kind of value it takes and one
sentence of help. From these come the YAML file's keys, the environment's names (``DATASTORAGE_SECTION__KEY``),
the command line's ``datastorage config`` and the table in the documentation.

Precedence, lowest first: defaults, the YAML file, the environment. An unknown key or a wrong value stops the
start with one `ConfigError` that lists all of them.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml
from psycopg import conninfo

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


class ConfigError(Exception):
    """The configuration cannot be used; the message lists every fault, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("configuration: " + "; ".join(faults))
        self.faults = faults


_DURATION = re.compile(r"(?:(?P<n>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d))")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Longer ones are mistakes, and the operating system's own timers refuse them.
_MAX_DURATION_SECONDS = 10 * 366 * 86400.0
_SIZE = re.compile(r"(?P<n>\d+)\s*(?P<unit>|B|KiB|MiB|GiB)")
_BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration(value: object) -> float:
    """Seconds of ``5``, ``0.5``, ``"250ms"``, ``"10s"``, ``"5m"``, ``"1h30m"``, ``"7d"``; ValueError otherwise."""
    seconds = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str):
        text = value.strip()
        parts = list(_DURATION.finditer(text))
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif parts and "".join(m.group(0) for m in parts) == text:
            seconds = sum(float(m["n"]) * _SECONDS[m["unit"]] for m in parts)
    if seconds is not None and 0 <= seconds <= _MAX_DURATION_SECONDS:
        return float(seconds)
    raise ValueError("a duration such as 250ms, 10s, 5m or 7d")


def parse_size(value: object) -> int:
    """Bytes of ``1024``, ``"256KiB"``, ``"5MiB"``; ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (m := _SIZE.fullmatch(value.strip())):
        return int(m["n"]) * _BYTES[m["unit"]]
    raise ValueError("a size such as 4096, 256KiB or 5MiB")


def _integer(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high}")

    return parse


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0", "yes", "no"):
        return value.strip().lower() in ("true", "1", "yes")
    raise ValueError("true or false")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("a text")


def _optional_text(value: object) -> str | None:
    return None if value is None or value == "" else _text(value)


def _choice(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise ValueError("one of " + ", ".join(allowed))

    return parse


def _texts(value: object) -> tuple[str, ...]:
    """A YAML list, or in the environment a comma-separated text."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError("a list of texts")


def _durations(value: object) -> tuple[float, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and value:
        return tuple(parse_duration(v) for v in value)
    raise ValueError("a list of durations such as 1m,5m,15m")


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


def setting(default: Any, parse: Callable[[object], Any], help_text: str, *, secret: bool = False) -> Any:
    """One setting: its default in parsed form, how its value is read, and what it does."""
    return field(default=default, metadata={"parse": parse, "help": help_text, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    host: str = setting("127.0.0.1", _text, "Address to listen on.")
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
        48 * 1024**2, parse_size, "Request bodies that a worker reads at a time, in bytes; beyond that 503."
    )
    problem_base_url: str = setting("https://kubernaut.ai/problems", _text, "What the `type` of a problem starts with.")
    cors_allowed_origins: tuple[str, ...] = setting(
        (), _texts, "Origins whose pages may call the API from a browser; none by default."
    )
    keepalive: int = setting(75, _integer(0, 3600), "Seconds an idle keep-alive connection stays open.")

    def effective_workers(self) -> int:
        """Worker processes to start."""
        return self.workers or available_cores()


@dataclass(frozen=True, kw_only=True)
class LoggingSettings:
    level: str = setting("info", _choice("debug", "info", "warning", "error"), "Least level that is logged.")
    format: str = setting(
        "auto", _choice("auto", "json", "console"), "Form of a log line; auto is console on a terminal, else json."
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    url: str | None = setting(
        None, _optional_text, "PostgreSQL address, instead of host, port, name and user.", secret=True
    )
    host: str = setting("127.0.0.1", _text, "PostgreSQL host.")
    port: int = setting(5432, _integer(1, 65535), "PostgreSQL port.")
    name: str = setting("datastorage", _text, "Database.")
    user: str = setting("datastorage", _text, "Role of the service; it needs no more than SELECT and INSERT.")
    password_file: str | None = setting(None, _optional_text, "File that holds the role's password.")
    direct_url: str | None = setting(
        None,
        _optional_text,
        "PostgreSQL address for migrations: the role that owns the tables, past any pooler. Default: as url.",
        secret=True,
    )
    prepared_statements: bool = setting(
        True, _boolean, "Use prepared statements; false behind a pooler in transaction mode."
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

    def conninfo(self) -> str:
        """libpq connection string of the service's role; the password file is read at each call."""
        if self.url is not None:
            return self._with_password(self.url)
        return self._with_password(
            conninfo.make_conninfo(
                host=self.host, port=self.port, dbname=self.name, user=self.user, sslmode=self.sslmode
            )
        )

    def migration_conninfo(self) -> str:
        """libpq connection string of the role that owns the tables."""
        return self.direct_url if self.direct_url is not None else self.conninfo()

    def service_role(self) -> str | None:
        """Name of the role that the service connects as, or None where the address does not name one."""
        user = conninfo.conninfo_to_dict(self.conninfo()).get("user")
        return str(user) if user is not None else None

    def _with_password(self, dsn: str) -> str:
        if self.password_file is None:
            return dsn
        return conninfo.make_conninfo(dsn, password=Path(self.password_file).read_text().rstrip("\r\n"))


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    url: str | None = setting(
        None, _optional_text, "Redis or Valkey address; without one there is no dead letter queue.", secret=True
    )
    password_file: str | None = setting(None, _optional_text, "File that holds the Redis password.")
    spill_timeout: float = setting(0.5, parse_duration, "Longest wait for a write to the dead letter queue.")
    min_replicas: int = setting(0, _integer(0, 10), "Replicas that must have a spilled event before it is answered.")


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
    max_len: int = setting(1000, _integer(1, 10_000_000), "Entries that a stream holds at the most.")
    max_bytes: int = setting(256 * 1024**2, parse_size, "Bytes of entries that a stream holds at the most.")
    dead_letter_max: int = setting(100_000, _integer(1, 10_000_000), "Dead letters of a stream at the most.")
    replay_batch: int = setting(500, _integer(1, 10_000), "Entries that replay writes at a time.")
    backoff: tuple[float, ...] = setting(
        (60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
        _durations,
        "Waits before an entry with an unknown error is tried again; after the last it is a dead letter.",
    )


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    max_batch_size: int = setting(1000, _integer(1, 100_000), "Events of one batch at the most.")
    event_categories: tuple[str, ...] = setting(
        DEFAULT_EVENT_CATEGORIES, _texts, "Values that event_category may have."
    )
    clock_skew: float = setting(300.0, parse_duration, "How far ahead of now an event_timestamp may be.")
    max_event_age: float = setting(7 * 86400.0, parse_duration, "How far back from now an event_timestamp may be.")
    max_event_data: int = setting(256 * 1024, parse_size, "Largest event_data as compact UTF-8.")
    max_nesting: int = setting(32, _integer(1, 200), "Deepest nesting of event_data.")


@dataclass(frozen=True, kw_only=True)
class WorkflowSettings:
    verify_content_hash: bool = setting(
        True, _boolean, "Refuse a workflow whose content_hash is not the SHA-256 of its content."
    )


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    mode: str = setting("none", _choice("none"), "How callers are known; none is for loopback only.")
    allow_anonymous: bool = setting(
        False, _boolean, "Take requests from anyone also where the service is reachable from outside."
    )


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    port: int = setting(
        0, _integer(0, 65535), "Port of a listener that answers probes alone, whatever the request threads do; 0: none."
    )
    ready_requires_database: bool = setting(
        False, _boolean, "Not ready without PostgreSQL, even if the dead letter queue can take writes."
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
_PASSWORD = re.compile(r"(password\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|\S)+)")


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
        with open(path, encoding="utf-8") as stream:
            document = yaml.safe_load(stream)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not YAML: " + " ".join(str(e).split())
        raise ConfigError([f"{path}: {reason}"]) from None
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
    if s.auth.mode == "none" and not s.auth.allow_anonymous and not _is_loopback(s.server.host):
        faults.append(
            f"server.host {s.server.host} is reachable from outside and auth.mode is none: "
            "choose an auth.mode, or set auth.allow_anonymous: true"
        )
    for section, name in (("database", "password_file"), ("redis", "password_file")):
        file = getattr(getattr(s, section), name)
        if file is not None and not os.access(file, os.R_OK):
            faults.append(f"{section}.{name}: cannot read {file}")
    for key in ("url", "direct_url"):
        value = getattr(s.database, key)
        if value is not None:
            try:
                conninfo.conninfo_to_dict(value)
            except Exception:  # noqa: BLE001 - psycopg raises ProgrammingError with the text, which holds the secret
                faults.append(f"database.{key} is not a PostgreSQL address")
    return faults


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
