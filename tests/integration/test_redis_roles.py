"""A Redis that answers and is not the one to write to: another role behind the address, refusals, rights, a cluster."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import flask
import pytest
import redis
from datastorage_common.notes import make_key

from app import create_app
from app.audit.outcome import InDoubt, Refused, Spilled, WriteRequest
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, DLQSettings, HealthSettings, Settings
from app.config.stores import DatabaseSettings, RedisSettings
from app.dlq.admin import Admin
from app.dlq.client import time_left, within
from app.dlq.endpoint import Endpoint
from app.dlq.keys import KEYS
from app.dlq.queue import DeadLetterQueue
from app.dlq.watch import QueueWatch
from app.services import Services
from devserver import EmbeddedValkey
from tests.relay import Relay
from tests.support import Database, event, free_port, notification, valkey_server, wait_until
from tests.unit.fakes import HOUR

pytestmark = pytest.mark.embedded
NOWHERE = DatabaseSettings(url="postgresql://nobody@127.0.0.1:9/none")
HEALTH = HealthSettings(probe_timeout=30.0)
EVENTS = "/api/v1/audit/events"
STREAM = KEYS["events"].stream
Run = Callable[..., flask.Flask]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a service without a database that spills to the address; it is stopped after the test."""
    with ExitStack() as stack:

        def start(url: str, **keys: object) -> flask.Flask:
            r = RedisSettings(url=url, spill_timeout=3.0)
            dlq = DLQSettings(**keys)  # type: ignore[arg-type]
            parts = Services(Settings(database=NOWHERE, redis=r, health=HEALTH, dlq=dlq))
            app = create_app(parts.settings, parts)
            parts.start()
            stack.callback(parts.stop)
            wait_until(lambda: parts.queue_watch is not None and parts.queue_watch.state.connected, what="Redis seen")
            return app

        yield start


@pytest.fixture
def primary() -> Iterator[EmbeddedValkey]:
    with valkey_server(**{"repl-diskless-sync-delay": "0"}) as server:
        yield server


@pytest.fixture
def replica(primary: EmbeddedValkey) -> Iterator[EmbeddedValkey]:
    """Follows the primary, and takes the same password."""
    password = str(urlsplit(primary.url()).password)
    with valkey_server(replicaof=f"127.0.0.1 {primary.port}", primaryauth=password) as server:
        with redis.Redis.from_url(server.url()) as client:
            client.config_set("requirepass", password)
        with redis.Redis.from_url(primary.url()) as client:
            wait_until(lambda: client.wait(1, 100) == 1, what="the replica follows")
        yield server


def through(server: EmbeddedValkey, relay: Relay, user: str = "", password: str = "") -> str:
    secret = password or urlsplit(server.url()).password
    return f"redis://{user}:{secret}@127.0.0.1:{relay.port}/0"


def client_of(server: EmbeddedValkey, like: EmbeddedValkey | None = None) -> redis.Redis:
    """With the password of ``like``, where that is another server."""
    return redis.Redis("127.0.0.1", server.port, password=str(urlsplit((like or server).url()).password))


def parts_of(app: flask.Flask) -> Services:
    parts: Services = app.extensions["datastorage"]
    return parts


def a_request() -> WriteRequest:
    record = Validator(AuditSettings(), Clock().now).event(event(event_id="0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"))
    return WriteRequest((record,))  # type: ignore[arg-type]


def post(app: flask.Flask) -> int:
    return app.test_client().post(EVENTS, json=event()).status_code


def reasons(app: flask.Flask) -> set[str]:
    return set(parts_of(app).queue_state().faults)


def ready(app: flask.Flask) -> tuple[int, str | None]:
    answer = app.test_client().get("/health/ready")
    return answer.status_code, answer.json.get("reason")


def test_the_next_spill_after_the_address_moved_goes_to_the_new_primary(
    primary: EmbeddedValkey, replica: EmbeddedValkey
) -> None:
    """With nobody else to notice: the spill itself meets the one that is read-only now."""
    with Relay(primary.port) as relay, client_of(replica, primary) as new, client_of(primary) as old:
        settings = Settings(redis=RedisSettings(url=through(primary, relay), spill_timeout=30.0))
        queue = DeadLetterQueue(settings, Clock())
        assert queue.spill([a_request()], "why") == [Spilled()]
        wait_until(lambda: new.xlen(STREAM) == 1, what="the replica has it")
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", str(replica.port))
        relay.target = replica.port
        assert queue.spill([a_request()], "why") == [Spilled()]
        assert new.xlen(STREAM) == 2
        queue.close()


def test_every_client_follows_an_address_that_moved(run: Run, primary: EmbeddedValkey, replica: EmbeddedValkey) -> None:
    with Relay(primary.port) as relay, client_of(replica, primary) as new, client_of(primary) as old:
        app = run(through(primary, relay))
        assert post(app) == 202
        wait_until(lambda: new.xlen(STREAM) == 1, what="the replica has it")
        services = parts_of(app)
        assert services.admin is not None
        assert services.replayer is not None
        services.admin.look()
        services.replayer._client.ping()
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", str(replica.port))
        relay.target = replica.port
        wait_until(lambda: post(app) == 202, what="spilled again")
        run_id = new.info("server")["run_id"]
        for client in (services.admin._client, services.replayer._client):
            assert client.info("server")["run_id"] == run_id
        wait_until(lambda: ready(app) == (200, "database_unreachable"), what="ready")
        assert "redis_refuses_writes" not in reasons(app)


def test_another_server_behind_the_address_is_found_without_an_error(run: Run, primary: EmbeddedValkey) -> None:
    """The old one lives on and takes all that it is given, cut off from where its entries are looked for."""
    password = str(urlsplit(primary.url()).password)
    with valkey_server() as other, Relay(primary.port) as relay, client_of(other) as new:
        new.config_set("requirepass", password)
        app = run(through(primary, relay))
        assert post(app) == 202
        run_id = new.info("server")["run_id"]
        relay.target = other.port
        watch = parts_of(app).queue_watch
        assert watch is not None
        wait_until(lambda: watch.state.run == run_id, what="the watch has seen the other one")
        before = new.xlen(STREAM)
        assert post(app) == 202
        assert new.xlen(STREAM) == before + 1


def test_connections_are_dropped_at_once_and_then_with_back_off(primary: EmbeddedValkey) -> None:
    with Relay(primary.port) as relay, client_of(primary) as admin:
        settings = Settings(redis=RedisSettings(url=through(primary, relay), spill_timeout=30.0))
        endpoint = Endpoint(settings.redis)
        letters = Admin(settings, endpoint, timeout=30.0)
        admin.config_set("min-replicas-to-write", 1)
        for _ in range(100):
            assert letters.probe() == "NOREPLICAS"
        assert 2 <= relay.accepted <= 20
        assert endpoint.wanted.is_set()
        letters.close()


REFUSALS = {
    "READONLY": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": (("CONFIG", "SET", "min-replicas-to-write", 1), ("CONFIG", "SET", "min-replicas-to-write", 0)),
    "OOM": (("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0)),
    "NOPERM": (("ACL", "SETUSER", "writer", "-xadd"), ("ACL", "SETUSER", "writer", "+xadd")),
    "MASTERDOWN": (
        ("CONFIG", "SET", "replica-serve-stale-data", "no"),
        ("CONFIG", "SET", "replica-serve-stale-data", "yes"),
    ),
}


@pytest.mark.parametrize("word", REFUSALS)
def test_a_redis_that_answers_and_takes_no_writes(run: Run, primary: EmbeddedValkey, word: str) -> None:
    refuse, heal = REFUSALS[word]
    with Relay(primary.port) as relay, client_of(primary) as admin:
        admin.execute_command("ACL", "SETUSER", "writer", "on", ">secret", "~audit:*", "+@all")
        app = run(through(primary, relay, "writer", "secret"))
        assert post(app) == 202
        assert ready(app) == (200, "database_unreachable")
        if word == "MASTERDOWN":
            admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        admin.execute_command(*refuse)
        wait_until(lambda: ready(app) == (503, "queue_refuses_writes"), what="not ready")
        wait_until(lambda: "redis_refuses_writes" in reasons(app), what="degraded with its reason")
        answer = app.test_client().post(EVENTS, json=event())
        assert (answer.status_code, "outcome" in answer.json) == (503, False)
        assert parts_of(app).queue_state().status == "connected"
        assert ("redis_missing_rights" in reasons(app)) == (word == "NOPERM")
        admin.execute_command(*heal)
        if word == "MASTERDOWN":
            admin.execute_command("REPLICAOF", "NO", "ONE")
        wait_until(lambda: ready(app) == (200, "database_unreachable"), what="ready again")
        assert post(app) == 202
        assert admin.xlen(STREAM) == 2, "what was answered 202 and nothing else, no probe either"


def test_a_redis_that_cannot_save_takes_no_writes(run: Run, primary: EmbeddedValkey) -> None:
    with Relay(primary.port) as relay, client_of(primary) as admin:
        app = run(through(primary, relay))
        # A snapshot cannot take the place of a folder.
        obstacle = primary.data_dir / str(admin.config_get("dbfilename")["dbfilename"])
        obstacle.mkdir()
        (obstacle / "inside").mkdir()
        admin.config_set("save", "3600 1")
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", what="the snapshot failed")
        wait_until(lambda: ready(app) == (503, "queue_refuses_writes"), what="not ready")
        assert post(app) == 503
        admin.config_set("save", "")
        wait_until(lambda: ready(app) == (200, "database_unreachable"), what="ready again")
        assert post(app) == 202


def test_without_info_the_durability_is_unknown(run: Run, primary: EmbeddedValkey) -> None:
    with Relay(primary.port) as relay, client_of(primary) as admin:
        admin.execute_command("ACL", "SETUSER", "writer", "on", ">secret", "~audit:*", "+@all", "-@dangerous")
        app = run(through(primary, relay, "writer", "secret"))
        state = parts_of(app).queue_state()
        assert (state.status, state.durability) == ("connected", "unknown")
        assert state.faults == ("redis_durability_unknown",)
        assert post(app) == 202
        services = parts_of(app)
        assert services.admin is not None
        assert services.queue_watch is not None
        connection = services.admin._client.client_id()
        services.queue_watch.look()
        assert services.admin._client.client_id() == connection, "a right that it can do without drops nothing"


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (["-eval", "-evalsha"], "+eval +evalsha"),
        (["-xadd", "-xclaim", "-xgroup|create"], "+xadd +xclaim +xgroup|create"),
        (["-incrby", "-hset", "-expire"], "+expire +hset +incrby"),
        (["-xlen"], "+xlen"),
        (["-client|setname"], "+client|setname"),
        (["resetkeys", "~audit:dlq:*"], "~audit:dead-letter:events ~audit:dead-letter:notifications"),
        (
            ["resetkeys", "~audit:dlq:events*", "~audit:dlq:notifications*", "~audit:dead-letter:*"],
            "~audit:dlq:witness:*",
        ),
    ],
)
def test_missing_rights_are_named_in_one_line(
    run: Run, primary: EmbeddedValkey, caplog: pytest.LogCaptureFixture, rules: list[str], missing: str
) -> None:
    caplog.set_level(logging.ERROR, "app.dlq")
    with Relay(primary.port) as relay, client_of(primary) as admin:
        admin.execute_command("ACL", "SETUSER", "writer", "on", ">secret", "~audit:*", "+@all", *rules)
        app = run(through(primary, relay, "writer", "secret"))
        wait_until(lambda: "redis_missing_rights" in reasons(app), what="missing rights seen")
        lines = [r.getMessage() for r in caplog.records if "lacks rights" in r.getMessage()]
        assert len(lines) == 1
        assert sorted(lines[0].partition("rights: ")[2].split()) == sorted(missing.split())
        admin.execute_command("ACL", "SETUSER", "writer", "+@all", "allkeys")
        wait_until(lambda: not reasons(app), what="all well")
        assert post(app) == 202


def test_the_documented_rights_are_enough(
    make_app: Callable[..., flask.Flask], primary: EmbeddedValkey, database: Database, tmp_path: Path
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dead-letter-queue.md").read_text(encoding="utf-8")
    [rules] = [line for line in page.splitlines() if line.startswith("ACL SETUSER datastorage ")]
    with Relay(primary.port) as relay, client_of(primary) as admin:
        admin.execute_command(*rules.split())
        admin.execute_command("ACL", "SETUSER", "datastorage", "on", ">secret")
        # Where the log is signed.
        assert "`~audit:log:*`" in page
        admin.execute_command("ACL", "SETUSER", "datastorage", "~audit:log:*")
        admin.delete("audit:log:signed")
        (tmp_path / "log.key").write_text(make_key("log.example/one", bytes(32)).encode())
        database.query("REVOKE INSERT ON audit_events FROM datastorage")
        app = make_app(
            redis={"url": through(primary, relay, "datastorage", "secret")}, log={"key_file": str(tmp_path / "log.key")}
        )
        wait_until(lambda: post(app) == 202, what="spilled")
        admin.xadd(STREAM, {"message": "broken"})
        waiting = admin.xlen(STREAM) - 1
        # Writes may be spilled before it is known how Redis is.
        wait_until(lambda: parts_of(app).queue_state().durability is not None, what="Redis was looked at")
        state = parts_of(app).queue_state()
        assert (state.faults, state.durability) == ((), "aof_always")
        database.query("GRANT INSERT ON audit_events TO datastorage")
        wait_until(lambda: admin.xlen(STREAM) == 0, what="drained")
        assert database.count() == waiting
        replayer = parts_of(app).replayer
        assert replayer is not None
        client = app.test_client()
        [letter] = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
        assert client.post(f"/api/v1/dlq/dead-letters/{letter['id']}/replay").status_code == 202
        wait_until(lambda: admin.xlen(KEYS["events"].dead) == 1, what="dead again")
        [letter] = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
        assert client.delete(f"/api/v1/dlq/dead-letters/{letter['id']}").status_code == 200
        wait_until(lambda: database.count("log_checkpoints"), what="signed")
        assert b"log.example/one" in str(admin.get("audit:log:signed")).encode()
        admin.delete("audit:log:signed")
        denied = [entry for entry in admin.acl_log() if entry["username"] == "datastorage"]
        assert denied == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_cluster_is_refused_with_one_line(run: Run, caplog: pytest.LogCaptureFixture, whole: bool) -> None:
    # Its second port too: what it takes by itself, 10,000 above, may be anybody's.
    settings = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with valkey_server(**settings) as server, client_of(server) as admin:
        if whole:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(
                lambda: admin.execute_command("CLUSTER INFO")["cluster_state"] == "ok", what="the cluster is whole"
            )
        app = run(server.url())
        wait_until(lambda: "redis_is_cluster" in reasons(app), what="said to be a cluster")
        assert ready(app) == (503, "queue_refuses_writes")
        assert post(app) == 503
        parts_of(app).queue_watch.look()  # type: ignore[union-attr]
        lines = [r.getMessage() for r in caplog.records if "Redis Cluster" in r.getMessage()]
        assert len(lines) == 1


def test_not_ready_while_one_stream_is_full(run: Run, primary: EmbeddedValkey) -> None:
    app = run(primary.url(), max_len=1)
    assert ready(app) == (200, "database_unreachable")
    assert post(app) == 202
    wait_until(lambda: ready(app) == (503, "queue_full"), what="not ready")
    assert app.test_client().post("/api/v1/audit/notifications", json=notification()).status_code == 202
    assert ready(app) == (503, "queue_full")


def test_not_ready_while_a_stream_has_no_room_for_another_byte(run: Run, primary: EmbeddedValkey) -> None:
    app = run(primary.url(), max_bytes=2000)
    with client_of(primary) as admin:
        admin.xadd(STREAM, {"message": "x" * 2000})
        admin.set(KEYS["events"].size, 2000)
        wait_until(lambda: ready(app) == (503, "queue_full"), what="not ready")
        admin.delete(STREAM, KEYS["events"].size)
        wait_until(lambda: ready(app) == (200, "database_unreachable"), what="ready")


def test_replay_goes_on_with_the_new_primary(
    make_app: Callable[..., flask.Flask], primary: EmbeddedValkey, replica: EmbeddedValkey, database: Database
) -> None:
    with Relay(primary.port) as relay, client_of(replica, primary) as new, client_of(primary) as old:
        revoke = "REVOKE INSERT ON audit_events FROM datastorage"
        database.query(revoke)
        app = make_app(redis={"url": through(primary, relay)})
        wait_until(lambda: post(app) == 202, what="spilled")
        wait_until(lambda: new.xlen(STREAM) == old.xlen(STREAM), what="the replica has it")
        waiting = new.xlen(STREAM)
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", str(replica.port))
        relay.target = replica.port
        database.query("GRANT INSERT ON audit_events TO datastorage")
        wait_until(lambda: new.xlen(STREAM) == 0, what="drained")
        assert database.count() == waiting


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds a Valkey and little more."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs", str(path)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a disk of a test's own needs the right to mount one: {made.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_with_everysec_and_a_full_disk_nothing_is_called_kept(small_disk: Path) -> None:
    """Redis answers OK to the first writes that its disk has no room for."""
    everysec = {"appendfsync": "everysec", "auto-aof-rewrite-percentage": "0"}
    with EmbeddedValkey(small_disk / "valkey", port=free_port(), settings=everysec) as server:
        settings = Settings(redis=RedisSettings(url=server.url(), spill_timeout=30.0))
        queue = DeadLetterQueue(settings, Clock())
        assert queue.spill([a_request()], "why") == [Spilled()]
        ballast = small_disk / "ballast"
        _fill(ballast)
        outcomes = [queue.spill([a_request()], "why")[0]]
        # A page may have some bytes left; from the first that does not fit on, nothing is acknowledged.
        while outcomes[-1] == Spilled():
            outcomes += queue.spill([a_request()], "why")
        assert outcomes[-1] == InDoubt()
        queue.breaker.recovered()
        assert queue.spill([a_request()], "why") == [Refused("service-unavailable")], "MISCONF by now"
        acknowledged = 1 + outcomes.count(Spilled())
        server.kill()
        server.start()
        with client_of(server) as admin:
            assert admin.xlen(STREAM) >= acknowledged
        queue.close()


def _fill(ballast: Path) -> None:
    with open(ballast, "ab", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            return


def test_only_always_is_durable(run: Run, primary: EmbeddedValkey) -> None:
    app = run(primary.url())
    assert reasons(app) == set()
    with client_of(primary) as admin:
        admin.config_set("appendfsync", "everysec")
        watch = parts_of(app).queue_watch
        assert watch is not None
        watch.look()
        assert (parts_of(app).queue_state().durability, reasons(app)) == ("aof_everysec", {"redis_not_durable"})
        assert not parts_of(app).queue.synced  # type: ignore[union-attr]


def test_what_no_redis_can_say_is_not_asked_before_each_acknowledgement(primary: EmbeddedValkey) -> None:
    """With appendfsync always a spill is one question and one answer."""
    with client_of(primary) as admin:
        settings = Settings(redis=RedisSettings(url=primary.url(), spill_timeout=30.0))
        endpoint = Endpoint(settings.redis)
        queue = DeadLetterQueue(settings, Clock(), endpoint)
        watch = QueueWatch(Admin(settings, endpoint), queue, endpoint, Clock())
        watch.look()
        assert queue.spill([a_request()], "why") == [Spilled()]
        before = admin.info("commandstats").get("cmdstat_info", {"calls": 0})["calls"]
        assert queue.spill([a_request()], "why") == [Spilled()]
        assert admin.info("commandstats")["cmdstat_info"]["calls"] == before + 1, "this test's own question alone"
        queue.close()


def test_nothing_waits_beyond_the_end_of_the_block() -> None:
    """With an hour for each single wait: a server that is frozen is given up when the time of all of them is over."""
    with valkey_server() as server:
        client = Endpoint(RedisSettings(url=server.url())).client(connect_timeout=HOUR, timeout=HOUR)
        client.ping()
        server.freeze()
        with within(0.1), pytest.raises(redis.TimeoutError):
            client.ping()
        with within(0.1), pytest.raises(redis.TimeoutError):
            client.ping()  # by a new connection: its handshake counts too
        with within(0), pytest.raises(redis.TimeoutError):
            client.ping()
        server.thaw()
        assert time_left() is None
        assert client.ping()
        client.close()


def test_a_primary_without_the_replicas_that_are_asked_for_takes_no_writes(
    primary: EmbeddedValkey, replica: EmbeddedValkey
) -> None:
    settings = Settings(redis=RedisSettings(url=primary.url(), spill_timeout=2.0, min_replicas=1))
    endpoint = Endpoint(settings.redis)
    queue = DeadLetterQueue(settings, Clock(), endpoint)
    letters = Admin(settings, endpoint, timeout=30.0)
    watch = QueueWatch(letters, queue, endpoint, Clock())
    wait_until(lambda: letters.probe() is None, what="the replica acknowledges")
    assert queue.spill([a_request()], "why") == [Spilled()]
    replica.kill()
    assert queue.spill([a_request()], "why") == [InDoubt()], "the primary has it"
    assert watch.look().faults == ("redis_refuses_writes",)
    assert queue.spill([a_request()], "why") == [Refused("service-unavailable")]
    with client_of(primary) as admin:
        assert admin.xlen(STREAM) == 2
    replica.start()
    wait_until(lambda: watch.look().faults == (), what="the replica is back")
    assert queue.spill([a_request()], "why") == [Spilled()]
    watch.stop()
    queue.close()
