"""A running service that is driven through all that its metrics speak of, and scraped all the while."""

from __future__ import annotations

import contextlib
import gzip
import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import yaml
from datastorage_common.notes import make_key
from prometheus_client.parser import text_string_to_metric_families

from app.auth.principal import token_digest
from devserver import EmbeddedValkey
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, workflow
from tests.issuer_server import issuer_server
from tests.support import (
    Answer,
    Database,
    GunicornService,
    PostgresServer,
    event,
    notification,
    valkey_server,
    wait_until,
)
from tests.tokens import AUDIENCE
from tests.witness_server import TEXT, witness_server

EVENTS = "/api/v1/audit/events"
NOTIFICATIONS = "/api/v1/audit/notifications"
CAPACITY = 12
# More than the drive itself asks for.
ADDRESS_LIMIT = 1000
SECRET = "what-nobody-may-read-in-a-log"
Sample = tuple[str, frozenset[tuple[str, str]]]

# An error that is in none of the classes that the service knows.
_POISON = """
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.correlation_id = 'poison' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
CREATE TRIGGER poison BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION poison()
"""


class Driven:
    """The service, its servers, and what scrapes have shown: types and the highest value of every sample."""

    def __init__(self, service: GunicornService, database: Database, valkey: EmbeddedValkey, token: str) -> None:
        self.service = service
        self.database = database
        self.valkey = valkey
        self.token = token
        self.types: dict[str, str] = {}
        self.peak: dict[Sample, float] = {}
        self._stop = threading.Event()

    # --- looking ----------------------------------------------------------------------------------------------

    def scrape(self) -> dict[Sample, float]:
        """The samples of one scrape, remembered."""
        answer = self.service.request("GET", "/metrics")
        assert answer.status == 200
        now: dict[Sample, float] = {}
        for family in text_string_to_metric_families(answer.body.decode()):
            self.types[family.name] = family.type
            for sample in family.samples:
                now[sample.name, frozenset(sample.labels.items())] = sample.value
        for key, value in now.items():
            self.peak[key] = max(value, self.peak.get(key, value))
        return now

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Scrape all the time while the block runs."""

        def look() -> None:
            while not self._stop.wait(0.1):
                self.scrape()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.scrape()

    def samples(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Labels → highest value of the samples of this name."""
        return {labels: value for (sample, labels), value in self.peak.items() if sample == name}

    def labels_of(self, name: str) -> set[str]:
        """The names of the labels that samples of this name have."""
        return {label for labels in self.samples(name) for label, _ in labels}

    # --- driving ----------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.service.request(method, path, body, headers=headers, timeout=30)
        assert expect is None or answer.status == expect, (method, path, answer.status, answer.body)
        return answer

    def post(self, expect: int | None = None, **members: Any) -> Answer:
        """Send one event."""
        return self.ask("POST", EVENTS, event(**members), expect=expect)

    def run(self) -> None:
        """Everything, in an order in which each step finds what it needs."""
        self.writes()
        self.refusals()
        self.reads()
        self.catalogue()
        self.cosignatures()
        self.wait_in_the_feed()
        self.export()
        self.hold()
        self.crowd()
        self.outage()

    def cosignatures(self) -> None:
        """One witness cosigns, the other contradicts."""
        for name in ("size", "contradicts", "failures_total"):
            wait_until(
                # Scraped here too: not everybody watches while this runs.
                lambda name=name: self.scrape() and any(self.samples(f"datastorage_log_witness_{name}").values()),  # type: ignore[misc]
                what=f"witnesses are asked: {name}",
            )

    def writes(self) -> None:
        known = str(uuid.uuid4())
        stamp = event()["event_timestamp"]
        self.post(201, event_id=known, event_timestamp=stamp, event_data={"secret": SECRET})
        self.post(200, event_id=known, event_timestamp=stamp, event_data={"secret": SECRET})
        self.post(409, event_id=known, event_timestamp=stamp, event_data={})
        self.ask("POST", EVENTS + "/batch", [event(), event(event_category="execution")], expect=201)
        note = notification()
        self.ask("POST", NOTIFICATIONS, note, expect=201)
        self.ask("POST", NOTIFICATIONS, note, expect=409)

    def refusals(self) -> None:
        """A request for every reason that validation has."""
        now = datetime.now(UTC)
        for members in (
            {"event_type": ...},
            {"event_category": "nobody's"},
            {"correlation_id": "x" * 256},
            {"event_timestamp": (now + timedelta(hours=1)).isoformat()},
            {"event_timestamp": (now - timedelta(days=30)).isoformat()},
            {"parent_event_id": str(uuid.uuid4())},
        ):
            self.post(400, **members)
        for path, body, status in (
            (EVENTS, b"{", 400),
            (EVENTS + "/batch", {}, 400),
            (EVENTS + "/batch", [], 400),
            (EVENTS + "/batch", [{}] * 1001, 400),
        ):
            self.ask("POST", path, body, expect=status)
        # Packed, so that all of it is read before the answer.
        packed = {"Content-Encoding": "gzip", "Authorization": f"Bearer {self.token}"}
        large = gzip.compress(b" " * (5 * 1024**2 + 1))
        assert self.service.request("POST", EVENTS, large, headers=packed).status == 413
        assert self.service.request("GET", EVENTS).status == 401
        forged = {"Authorization": f"Bearer {SECRET}"}
        assert self.service.request("GET", EVENTS, headers=forged).status == 401
        # Another client behind a proxy, which asks until it has asked too often.
        other = {"X-Forwarded-For": "192.0.2.7"}
        asked = (self.service.request("GET", EVENTS, headers=other).status for _ in range(3 * ADDRESS_LIMIT))
        assert 429 in asked, "a window's end in between can double it"

    def reads(self) -> None:
        page = self.ask("GET", EVENTS + f"?correlation_id={SECRET}&limit=1", expect=200)
        assert page.json["data"] == []
        [row] = self.ask("GET", EVENTS + "?limit=1", expect=200).json["data"]
        self.ask("GET", f"{EVENTS}/{row['event_id']}", expect=200)
        self.ask("GET", NOTIFICATIONS, expect=200)
        self.ask("GET", "/api/v1/dlq", expect=200)

    def catalogue(self) -> None:
        made = self.ask("POST", WORKFLOWS, workflow(), expect=201).json
        path = f"{WORKFLOWS}/{made['workflow_id']}"
        name = made["workflow_name"]
        self.ask("POST", WORKFLOWS + "/batch", [workflow(), workflow()], expect=201)
        self.ask("PATCH", path, {"status": "deprecated"}, expect=200)
        self.ask("PATCH", path + "/disable", {"reason": "none"}, expect=200)
        self.ask("PATCH", path + "/enable", expect=200)
        self.ask("GET", path, expect=200)
        self.ask("GET", WORKFLOWS, expect=200)
        self.ask("GET", f"{WORKFLOWS}/by-name/{name}/versions", expect=200)
        self.ask("GET", f"{WORKFLOWS}/by-name/{name}/latest", expect=200)
        self.ask("POST", SEARCH, {"filters": LABELS}, expect=200)

    def wait_in_the_feed(self) -> None:
        """One that waits until there is something new."""
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(self.ask, "GET", "/api/v1/audit/feed?after=end&wait=20")
            self.wait_for("datastorage_feed_waiting")
            self.post(201)
            assert job.result().status == 200

    def export(self) -> None:
        """One of notifications, whose table is locked until it is seen to be under way."""
        path = "/api/v1/audit/export?kinds=notification"
        wait_until(lambda: self.ask("GET", path, expect=200).body, what="a notification is in the log")
        with ThreadPoolExecutor(1) as pool:
            with psycopg.connect(self.database.superuser_url) as conn:
                conn.execute("LOCK TABLE notification_audit IN ACCESS EXCLUSIVE MODE")
                job = pool.submit(self.ask, "GET", path)
                self.wait_for("datastorage_exports_running")
            assert job.result().status == 200

    def hold(self) -> None:
        """One that is seen to be in force, and released."""
        sent = {"name": "case 1", "reason": "a letter", "filter": {"actor_id": "nobody"}}
        made = self.ask("POST", "/api/v1/holds", sent, expect=201).json
        self.wait_for("datastorage_holds_active")
        self.ask("POST", f"/api/v1/holds/{made['hold_id']}/release", {"reason": "closed"}, expect=200)

    def crowd(self) -> None:
        """More readers than connections and more writers than room, while a table is locked for a moment."""
        with ThreadPoolExecutor(12) as pool:
            with psycopg.connect(self.database.superuser_url) as conn:
                conn.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
                jobs = [pool.submit(self.ask, "GET", EVENTS) for _ in range(3)]
                jobs += [pool.submit(self.post) for _ in range(9)]
                for name in ("buffer_depth", "buffer_utilization_ratio", "db_pool_waiting", "http_requests_in_flight"):
                    self.wait_for(f"datastorage_{name}")
                wait_until(lambda: any(job.done() for job in jobs), what="an answer that does not wait for the lock")
            statuses = [job.result().status for job in jobs]
        assert 503 in statuses, "the buffer was to be full"

    def outage(self) -> None:
        """PostgreSQL refuses writes until the queue is full and more; Redis goes too; both come back."""
        known = str(uuid.uuid4())
        stamp = event()["event_timestamp"]
        wait_until(lambda: self.post(event_id=known, event_timestamp=stamp).status in (200, 201), what="writes again")
        self.database.query(_POISON)
        self.database.query("REVOKE INSERT ON audit_events, notification_audit FROM datastorage")
        self.post(202, event_id=known, event_timestamp=stamp)  # a duplicate, seen at replay
        self.post(202, event_id=known, event_timestamp=stamp, event_data={"other": 1})  # will be a dead letter
        self.post(202, correlation_id="poison")
        self.ask("POST", NOTIFICATIONS, notification(), expect=202)
        wait_until(lambda: self.post().status == 503, what="a full queue")
        self.wait_for("datastorage_dlq_overflow_imminent", stream="events")
        self.valkey.kill()
        assert self.post(503).status == 503
        wait_until(lambda: self.scrape()["datastorage_redis_up", frozenset()] == 0, what="Redis is known to be away")
        self.valkey.start()
        self.database.query("GRANT INSERT ON audit_events, notification_audit TO datastorage")
        self.wait_for("datastorage_dlq_replayed_total", stream="events", result="dead_lettered")
        self.wait_for("datastorage_dlq_replayed_total", stream="events", result="retry")
        self.wait_for("datastorage_dlq_dead_letter_depth", stream="events")
        wait_until(lambda: self.post().status == 201, what="writes again")
        self.database.query("DROP FUNCTION poison() CASCADE")

    def wait_for(self, name: str, **labels: str) -> None:
        """Until a scrape has shown this sample above 0."""
        key = (name, frozenset(labels.items()))
        wait_until(lambda: self.scrape().get(key, 0) > 0, what=f"{name}{labels}")


@contextlib.contextmanager
def driven_service(postgres: PostgresServer, directory: Path) -> Iterator[Driven]:
    """A small service with a token, so that everything in it can be filled; not driven yet."""
    token = secrets.token_urlsafe(32)
    tokens = directory / "tokens.yaml"
    scopes = ["audit:write", "audit:read", "workflows:read", "workflows:write", "dlq:admin", "holds:admin"]
    tokens.write_text(yaml.safe_dump([{"name": "driver", "sha256": token_digest(token).hex(), "scopes": scopes}]))
    database = postgres.make_database()
    key = make_key("log.example/driven", secrets.token_bytes(32))
    key_file, policy = directory / "log.key", directory / "witnesses"
    key_file.write_text(f"{key.encode()}\n")
    key_file.chmod(0o600)
    with contextlib.ExitStack() as stack:
        valkey, issuer = stack.enter_context(valkey_server()), stack.enter_context(issuer_server())
        good = stack.enter_context(witness_server("good.example", key.verifier))
        liar = stack.enter_context(witness_server("liar.example", key.verifier))
        liar.instead = lambda _: (422, TEXT, b"")
        policy.write_text(f"{good.line()}\n{liar.line()}\nquorum {good.key.name}\n")
        known = {"issuer": issuer.url, "audience": AUDIENCE, "allow_http": True}
        environ = {
            "DATABASE__URL": database.service_url,
            "DATABASE__POOL_SIZE": "1",
            "REDIS__URL": valkey.url(0),
            "SERVER__WORKERS": "1",
            "SERVER__TRUSTED_PROXIES": "127.0.0.1",
            "LIMITS__ADDRESS_REQUESTS": f"{ADDRESS_LIMIT}/minute",
            "LOG__KEY_FILE": str(key_file),
            "LOG__WITNESS_POLICY": str(policy),
            "AUTH__MODE": "jwt",
            "AUTH__JWT_ISSUERS": json.dumps([known]),
            "AUTH__TOKENS_FILE": str(tokens),
            "BUFFER__SIZE": "3",
            "BUFFER__ENQUEUE_TIMEOUT": "100ms",
            "DLQ__MAX_LEN": str(CAPACITY),
        }
        service = GunicornService(
            {f"DATASTORAGE_{key}": value for key, value in environ.items()}, directory / "gunicorn.log"
        )
        service.start()
        try:
            yield Driven(service, database, valkey, token)
        finally:
            service.stop()
    database.drop()


def log_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, each a JSON object; fails for one that is not."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
