"""Every setting of the service, declared once.

A setting is a field of one of the section classes below or in stores.py, with its default, the kind of value it takes
and one sentence of help. From these come the YAML file's keys, the environment's names (``DATASTORAGE_SECTION__KEY``),
the command line's ``datastorage config`` and the table in the documentation. They are read in load.py; what has to
hold between several of them is in checks.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from datastorage_common.durations import parse_duration

from app.config import addresses, values
from app.config.cores import available_cores
from app.config.declaration import masked, setting
from app.config.issuers import JWT_ALGORITHMS, IssuerSettings, issuers
from app.config.log import LogSettings
from app.config.stores import DatabaseSettings, RedisSettings

# Those that metrics and reports know by name.
KNOWN_EVENT_CATEGORIES = (
    "gateway",
    "notification",
    "analysis",
    "signalprocessing",
    "workflow",
    "execution",
    "orchestration",
)
# What audit.max_nesting may be at the most, so that code which recurses can follow.
MAX_NESTING = 200


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    host: str = setting(
        "127.0.0.1",
        values.hosts,
        "Address to listen on, or several separated by commas; :: takes IPv4 as well where 0.0.0.0 is not in the list.",
    )
    port: int = setting(8080, values.integer(1, 65535), "Port of the API.")
    workers: int = setting(
        0, values.integer(0, 256), "Worker processes; 0 means one for each core this process may use."
    )
    threads: int = setting(32, values.integer(1, 512), "Request threads of a worker.")
    pin_workers: str = setting(
        "auto",
        values.choice("auto", "always", "never"),
        "Pin each worker to one core; auto does so where no CPU quota is set and workers ≤ cores.",
    )
    switch_interval: float = setting(
        0.005, parse_duration, "How long a Python thread may keep the interpreter while others wait for it."
    )
    max_body_size: int = setting(5 * 1024**2, values.parse_size, "Largest request body, after decompression.")
    max_body_bytes_in_flight: int = setting(
        48 * 1024**2, values.parse_size, "Request bodies that a worker keeps at a time, in bytes; beyond that 503."
    )
    max_response_bytes: int = setting(
        8 * 1024**2,
        values.parse_size,
        "Largest answer with a page of rows: it ends early, with a cursor; a single row is given whole.",
    )
    problem_base_url: str = setting(
        "https://kubernaut.ai/problems", values.text, "What the `type` of a problem starts with."
    )
    cors_allowed_origins: tuple[str, ...] = setting(
        (), values.texts, "Origins whose pages may call the API from a browser; none by default."
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
        values.networks,
        "Networks of the proxies in front: a client's address is taken from a header only when it comes from there.",
    )
    proxy_header: str = setting(
        "x-forwarded-for",
        values.choice("x-forwarded-for", "forwarded"),
        "The header that the trusted proxies write the client's address into; the other one is the client's own.",
    )
    keepalive: int = setting(75, values.integer(0, 3600), "Seconds an idle keep-alive connection stays open.")

    def hosts(self) -> tuple[str, ...]:
        """The addresses of host, each without brackets."""
        return addresses.hosts(self.host)

    def effective_workers(self) -> int:
        """Worker processes to start."""
        return self.workers or available_cores()


@dataclass(frozen=True, kw_only=True)
class APISettings:
    strict_parameters: bool = setting(
        True,
        values.boolean,
        "Refuse query parameters that a request does not take; `?strict=` decides for one request.",
    )


@dataclass(frozen=True, kw_only=True)
class LoggingSettings:
    level: str = setting("info", values.choice("debug", "info", "warning", "error"), "Least level that is logged.")
    format: str = setting(
        "auto",
        values.choice("auto", "json", "console"),
        "Form of a log line; auto is console on a terminal, else json.",
    )
    requests: bool = setting(
        True, values.boolean, "Log a line for each request; those of probes and scrapes only where they fail."
    )


@dataclass(frozen=True, kw_only=True)
class BufferSettings:
    size: int = setting(1000, values.integer(1, 1_000_000), "Events that wait in a worker's queue at the most.")
    max_bytes: int = setting(
        32 * 1024**2, values.parse_size, "Bytes of events that wait in a worker's queue at the most."
    )
    max_batch: int = setting(
        500, values.integer(1, 10_000), "Events that one flush takes; a larger request goes alone."
    )
    enqueue_timeout: float = setting(1.0, parse_duration, "Longest wait for room in the queue; then 503 buffer-full.")
    commit_timeout: float = setting(10.0, parse_duration, "Longest wait of a request for its outcome.")
    flush_timeout: float = setting(3.0, parse_duration, "Longest flush on the service's own clock.")
    flush_statement_timeout: float = setting(
        2.0, parse_duration, "Longest statement of a flush, on PostgreSQL's clock."
    )
    flush_lock_timeout: float = setting(1.0, parse_duration, "Longest wait of a flush for a lock.")


@dataclass(frozen=True, kw_only=True)
class DLQSettings:
    max_len: int = setting(100_000, values.integer(1, 10_000_000), "Entries that a stream holds at the most.")
    max_bytes: int = setting(256 * 1024**2, values.parse_size, "Bytes of entries that a stream holds at the most.")
    dead_letter_max: int = setting(100_000, values.integer(1, 10_000_000), "Dead letters of a stream at the most.")
    remember: float = setting(
        600.0,
        parse_duration,
        "How long a worker knows what it spilled, to notice a Redis that has forgotten it.",
    )
    replay_batch: int = setting(500, values.integer(1, 10_000), "Entries that replay writes at a time.")
    replay_bytes: int = setting(
        4 * 1024**2, values.parse_size, "Bytes of entries that replay reads and writes at a time."
    )
    backoff: tuple[float, ...] = setting(
        (60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
        values.durations,
        "Waits before an entry that fails by itself is tried again; after the last it is a dead letter.",
    )


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    max_batch_size: int = setting(1000, values.integer(1, 100_000), "Events of one batch at the most.")
    event_categories: tuple[str, ...] = setting(
        values.ANY_CATEGORY,
        values.categories,
        "Values that event_category may have, or any: 1 to 50 characters of a-z, 0-9, '.', '_' or '-', "
        "starting with a letter. datastorage.* is always taken.",
    )
    clock_skew: float = setting(300.0, parse_duration, "How far ahead of now an event_timestamp may be.")
    max_event_age: float = setting(7 * 86400.0, parse_duration, "How far back from now an event_timestamp may be.")
    max_event_data: int = setting(
        256 * 1024, values.parse_size, "Largest event_data as compact UTF-8, its numbers written out."
    )
    max_nesting: int = setting(32, values.integer(1, MAX_NESTING), "Deepest nesting of event_data.")
    record_service: bool = setting(
        True,
        values.boolean,
        "Record as events whom the service refuses, and what of it is started, stopped and changed.",
    )
    record_access: bool = setting(
        True, values.boolean, "Record as an event who was given events that are marked is_sensitive."
    )

    @property
    def named_categories(self) -> tuple[str, ...]:
        """The configured list; nothing where any category is taken."""
        return () if self.event_categories == values.ANY_CATEGORY else self.event_categories


@dataclass(frozen=True, kw_only=True)
class WorkflowSettings:
    verify_content_hash: bool = setting(
        True, values.boolean, "Refuse a workflow whose content_hash is not the SHA-256 of its content."
    )


@dataclass(frozen=True, kw_only=True)
class AuthSettings:
    mode: str = setting(
        "none",
        values.choice("none", "token", "jwt"),
        "How callers are known: not at all (loopback only), token or jwt.",
    )
    allow_anonymous: bool = setting(
        False, values.boolean, "Take requests from anyone also where the service is reachable from outside."
    )
    protect_metrics: bool = setting(False, values.boolean, "Let only tokens with the scope metrics read /metrics.")
    tokens_file: str | None = setting(
        None, values.optional_text, "File of token hashes, for mode token; with jwt for callers without a provider."
    )
    jwt_issuers: tuple[IssuerSettings, ...] = setting(
        (),
        issuers,
        "Issuers whose tokens are taken, for mode jwt: a list of mappings, in the environment as JSON (security.md).",
    )
    jwt_keys_file: str | None = setting(
        None, values.optional_text, "File with the JSON Web Key Set of one issuer, for mode jwt without jwt_issuers."
    )
    jwt_issuer: str | None = setting(None, values.optional_text, "What the claim iss has to be, with jwt_keys_file.")
    jwt_audience: str | None = setting(
        None, values.optional_text, "What the claim aud has to hold, with jwt_keys_file."
    )
    jwt_algorithms: tuple[str, ...] = setting(
        JWT_ALGORITHMS, values.subset(JWT_ALGORITHMS), "Signatures that are accepted; a subset of the default."
    )
    jwt_leeway: float = setting(30.0, parse_duration, "How far the issuer's clock may be off, for exp, nbf and iat.")


@dataclass(frozen=True, kw_only=True)
class LimitsSettings:
    principal_requests: str | None = setting(
        None, values.rate, "Requests of one principal, such as 600/minute; empty: no limit. Not with auth.mode none."
    )
    principal_events: str | None = setting(
        None,
        values.rate,
        "Events and notifications that one principal may write, such as 100000/minute. Not with auth.mode none.",
    )
    address_requests: str | None = setting(
        None,
        values.rate,
        "Requests of one client address, of IPv6 one /64, before it is known who asks; such as 1200/minute.",
    )


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    port: int = setting(
        0,
        values.integer(0, 65535),
        "Port of a listener that answers probes alone, whatever the request threads do; 0: none.",
    )
    ready_requires_database: bool = setting(
        False, values.boolean, "Not ready without PostgreSQL, even if the dead letter queue can take writes."
    )
    probe_timeout: float = setting(
        0.9,
        parse_duration,
        "How long PostgreSQL or Redis may take to answer the service's own probe; then it is away.",
    )


@dataclass(frozen=True, kw_only=True)
class ShutdownSettings:
    endpoint_propagation_delay: float = setting(
        5.0, parse_duration, "Requests are still taken for so long after SIGTERM, while load balancers notice."
    )
    request_timeout: float = setting(30.0, parse_duration, "Longest wait for requests in flight at shutdown.")
    timeout: float = setting(60.0, parse_duration, "Longest shutdown in all.")


@dataclass(frozen=True, kw_only=True)
class TracingSettings:
    endpoint: str | None = setting(
        None,
        values.optional_text,
        "Address to which spans are sent over OTLP/HTTP, such as http://collector:4318; none: no traces.",
        secret=True,
    )
    sample_ratio: float = setting(
        1.0, values.ratio, "Share of the requests without a traceparent that are traced; one with it says so itself."
    )
    headers_file: str | None = setting(
        None, values.optional_text, "File of headers for the collector, one `Name: value` a line."
    )
    service_name: str = setting("datastorage", values.text, "What service.name of the spans is.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of a service process; immutable."""

    server: ServerSettings = field(default_factory=ServerSettings)
    api: APISettings = field(default_factory=APISettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    buffer: BufferSettings = field(default_factory=BufferSettings)
    dlq: DLQSettings = field(default_factory=DLQSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    workflows: WorkflowSettings = field(default_factory=WorkflowSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    shutdown: ShutdownSettings = field(default_factory=ShutdownSettings)
    tracing: TracingSettings = field(default_factory=TracingSettings)
    log: LogSettings = field(default_factory=LogSettings)

    SECTIONS: ClassVar[Mapping[str, type]] = {
        "server": ServerSettings,
        "api": APISettings,
        "logging": LoggingSettings,
        "database": DatabaseSettings,
        "redis": RedisSettings,
        "buffer": BufferSettings,
        "dlq": DLQSettings,
        "audit": AuditSettings,
        "workflows": WorkflowSettings,
        "auth": AuthSettings,
        "limits": LimitsSettings,
        "health": HealthSettings,
        "shutdown": ShutdownSettings,
        "tracing": TracingSettings,
        "log": LogSettings,
    }

    @property
    def spilled_or_refused(self) -> str:
        """What becomes of writes that PostgreSQL does not take, in the words of the log."""
        return "go to the dead letter queue" if self.redis.configured else "are refused, for want of Redis"

    def masked(self) -> dict[str, dict[str, Any]]:
        """Every key and its value, secrets replaced; for showing to people."""
        return {
            section: {
                f.name: masked(f, getattr(getattr(self, section), f.name))
                for f in dataclasses.fields(getattr(self, section))
            }
            for section in self.SECTIONS
        }
