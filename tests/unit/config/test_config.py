from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

from app.config import settings as config
from app.config.settings import (
    AuthSettings,
    ConfigError,
    DatabaseSettings,
    RedisSettings,
    ServerSettings,
    Settings,
    load_settings,
    parse_size,
)
from app.postgres.errors import Fault, classify

KEYS = [(section, f.name) for section, cls in Settings.SECTIONS.items() for f in dataclasses.fields(cls)]
# A value other than the default for each key whose kind does not give one.
OTHER = {
    "server.trusted_proxies": "10.0.0.0/8,fd00::/8",
    "server.proxy_header": "forwarded",
    "server.host": "::1",
    "server.pin_workers": "never",
    "server.problem_base_url": "https://example.com/p",
    "server.cors_allowed_origins": "https://a.example, https://b.example",
    "logging.level": "debug",
    "logging.format": "json",
    "database.url": "postgresql://u@h/d",
    "database.direct_url": "postgresql://o@h/d",
    "database.host": "db",
    "database.name": "other",
    "database.user": "other",
    "database.schema": "audit",
    "database.password_file": __file__,
    "database.direct_password_file": __file__,
    "database.sslmode": "require",
    "database.read_url": "postgresql://u@replica/d",
    "database.sslrootcert": "system",
    "database.sslcert": __file__,
    "database.sslkey": __file__,
    "redis.url": "redis://h",
    "redis.ca_file": __file__,
    "redis.cert_file": __file__,
    "redis.key_file": __file__,
    "redis.password_file": __file__,
    "redis.sentinels": "a:26379, [::1]:26379",
    "redis.sentinel_service": "other",
    "redis.sentinel_password_file": __file__,
    "buffer.commit_timeout": "30s",
    "buffer.flush_timeout": "2500ms",
    "buffer.flush_statement_timeout": "1500ms",
    "redis.spill_timeout": "250ms",
    "dlq.backoff": "1s, 2s",
    "auth.mode": "token",
    "auth.tokens_file": "tokens.yaml",
    "auth.jwt_keys_file": "keys.json",
    "auth.jwt_issuer": "https://issuer.example",
    "auth.jwt_audience": "datastorage",
    "auth.jwt_algorithms": "ES256",
    "audit.event_categories": "a,b",
}
# What else a key's other value needs.
BESIDE = {
    "auth.mode": {"auth.tokens_file": "/dev/null"},
    "database.sslcert": {"database.sslkey": __file__},
    "database.sslkey": {"database.sslcert": __file__},
    "redis.ca_file": {"redis.url": "rediss://h"},
    "redis.sentinel_password_file": {"redis.sentinels": "a:26379"},
    "redis.cert_file": {"redis.url": "rediss://h", "redis.key_file": __file__},
    "redis.key_file": {"redis.url": "rediss://h", "redis.cert_file": __file__},
}


def env(**values: str) -> dict[str, str]:
    return {"DATASTORAGE_" + name: value for name, value in values.items()}


def faults(environ: dict[str, str] | None = None, path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as e:
        load_settings(str(path) if path else None, environ or {})
    assert all(fault in str(e.value) for fault in e.value.faults)
    assert "\n" not in str(e.value)
    return e.value.faults


@pytest.fixture
def yaml_file(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return path

    return write


def other_value(section: str, key: str) -> str:
    default = getattr(Settings.SECTIONS[section](), key)
    if f"{section}.{key}" in OTHER:
        return OTHER[f"{section}.{key}"]
    return str(not default).lower() if isinstance(default, bool) else str(int(default) + 1)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_can_be_set_and_is_explained(section: str, key: str) -> None:
    given = {f"{section}.{key}": other_value(section, key), **BESIDE.get(f"{section}.{key}", {})}
    settings = load_settings(None, env(**{name.replace(".", "__").upper(): value for name, value in given.items()}))
    changed = getattr(getattr(settings, section), key)
    default = getattr(Settings.SECTIONS[section](), key)
    assert changed != default
    assert default is None or type(changed) is type(default)
    # One sentence, fit for a cell of a table.
    [field] = [f for f in dataclasses.fields(Settings.SECTIONS[section]) if f.name == key]
    assert field.metadata["help"].endswith(".")
    assert "|" not in field.metadata["help"]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_default_is_a_value_that_its_key_takes(section: str, key: str) -> None:
    [field] = [f for f in dataclasses.fields(Settings.SECTIONS[section]) if f.name == key]
    assert field.metadata["parse"](field.default) == field.default


@pytest.mark.parametrize(
    ("text", "size"),
    [(0, 0), (4096, 4096), ("4096", 4096), ("1B", 1), ("256KiB", 262144), ("5 MiB", 5 * 1024**2), ("1GiB", 1024**3)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "5MB", "1.5MiB", "-1", "9" * 5000, -1, True, 1.0, None])
def test_not_sizes(value: object) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_size(value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("YES", True), ("1", True), ("no", False), ("0", False)])
def test_booleans(text: str, value: bool) -> None:
    assert load_settings(None, env(AUTH__ALLOW_ANONYMOUS=text)).auth.allow_anonymous is value


@pytest.mark.parametrize(
    ("key", "value", "must_be"),
    [
        ("SERVER__PORT", "0", "a whole number from 1 to 65535"),
        ("SERVER__PORT", "65536", "a whole number from 1 to 65535"),
        ("SERVER__PORT", "1.5", "a whole number from 1 to 65535"),
        ("SERVER__MAX_BODY_SIZE", "5MB", "a size such as 4096, 256KiB or 5MiB"),
        ("AUTH__ALLOW_ANONYMOUS", "maybe", "true or false"),
        ("LOGGING__LEVEL", "INFO", "one of debug, info, warning, error"),
        ("DLQ__BACKOFF", "", "a list of durations such as 1m,5m,15m"),
        ("DLQ__BACKOFF", "1m,soon", "a duration such as 250ms, 10s, 5m or 7d"),
    ],
)
def test_wrong_values_are_explained(key: str, value: str, must_be: str) -> None:
    name = key.lower().replace("__", ".")
    assert faults(env(**{key: value})) == [f"DATASTORAGE_{key}: {name} must be {must_be}"]


@pytest.mark.parametrize(
    ("text", "must_be"),
    [
        ("server: {host: [a]}", "server.host must be a text"),
        ("server: {cors_allowed_origins: [1]}", "server.cors_allowed_origins must be a list of texts"),
        ("server: {port: true}", "server.port must be a whole number from 1 to 65535"),
    ],
)
def test_wrong_types_in_the_file(yaml_file: Any, text: str, must_be: str) -> None:
    path = yaml_file(text)
    assert faults(path=path) == [f"{path}: {must_be}"]


def test_environment_over_file_over_defaults(yaml_file: Any) -> None:
    path = yaml_file("server:\n  port: 1111\n  threads: 7\ndlq:\n  backoff: [1s, 2]\nlogging:\n")
    settings = load_settings(None, {"CONFIG_PATH": str(path), **env(SERVER__PORT="2222")})
    assert (settings.server.port, settings.server.threads) == (2222, 7)
    assert settings.server.keepalive == 75
    assert settings.dlq.backoff == (1.0, 2.0)


def test_a_given_path_beats_config_path(yaml_file: Any) -> None:
    path = yaml_file("server: {port: 1111}")
    assert load_settings(str(path), {"CONFIG_PATH": "nowhere.yaml"}).server.port == 1111


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "server: {}\n"])
def test_an_empty_file_means_defaults(yaml_file: Any, text: str) -> None:
    assert load_settings(str(yaml_file(text)), {}) == Settings()


def test_foreign_variables_are_left_alone() -> None:
    # Kubernetes sets such names for a service called datastorage.
    assert load_settings(None, env(PORT="tcp://10.0.0.1:80", SERVICE_HOST="10.0.0.1") | {"A__B": "c"}) == Settings()


def test_all_faults_come_at_once(yaml_file: Any) -> None:
    path = yaml_file("servr: {port: 1}\nserver: {prt: 1, port: no}\nlogging: debug\nbuffer: {flush_timeout: 20s}\n")
    found = faults(env(DATABASE__POOL_SIZE="0", NOPE__A="1", NOPE__B="2"), path)
    assert found[:6] == [
        f"{path}: there is no section servr",
        f"{path}: logging must hold keys",
        f"{path}: there is no key server.prt",
        f"{path}: server.port must be a whole number from 1 to 65535",
        "DATASTORAGE_DATABASE__POOL_SIZE: database.pool_size must be a whole number from 1 to 1000",
        "DATASTORAGE_NOPE__A: there is no section nope",
    ]
    [last] = found[6:]
    assert last.startswith("2 × (buffer.flush_timeout + redis.spill_timeout) must be less than buffer.commit_timeout")


@pytest.mark.parametrize("text", ["a: [", "- a\n- b", "just text", "a: !!python/object:os.system {}"])
def test_not_a_settings_file(yaml_file: Any, text: str) -> None:
    path = yaml_file(text)
    [fault] = faults(path=path)
    assert fault.startswith(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    assert faults(path=tmp_path / "none.yaml") == [f"{tmp_path / 'none.yaml'}: No such file or directory"]


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    assert faults(path=path) == [f"{path}: is UTF-16: save it as UTF-8 (line 1)"]


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"BUFFER__FLUSH_TIMEOUT": "4500ms"}, False),
        ({"BUFFER__FLUSH_TIMEOUT": "4499ms"}, True),
        ({"REDIS__SPILL_TIMEOUT": "2s"}, False),
        ({"BUFFER__COMMIT_TIMEOUT": "7s"}, False),
        ({"BUFFER__COMMIT_TIMEOUT": "7001ms"}, True),
        ({"BUFFER__FLUSH_STATEMENT_TIMEOUT": "3s"}, False),
        ({"BUFFER__FLUSH_STATEMENT_TIMEOUT": "2999ms"}, True),
    ],
)
def test_a_waiter_must_outlast_two_flushes_and_spills(values: dict[str, str], good: bool) -> None:
    if good:
        load_settings(None, env(**values))
    else:
        [fault] = faults(env(**values))
        assert "must be less than" in fault


def test_a_probe_needs_time() -> None:
    assert faults(env(HEALTH__PROBE_TIMEOUT="0")) == ["health.probe_timeout must be more than 0"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_auth(host: str) -> None:
    assert load_settings(None, env(SERVER__HOST=host)).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])
def test_other_addresses_need_auth_or_a_word(host: str) -> None:
    [fault] = faults(env(SERVER__HOST=host))
    assert "is reachable from outside and auth.mode is none" in fault
    load_settings(None, env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true"))
    assert AuthSettings().allow_anonymous is False


@pytest.mark.parametrize(
    ("host", "outside"),
    [
        ("127.0.0.1,[::1]", None),
        ("[::1]", None),
        ("localhost, ::1", None),
        ("[::]", "::"),
        ("127.0.0.1,10.0.0.1", "10.0.0.1"),
        ("::1,0.0.0.0", "0.0.0.0"),
        ("0.0.0.0,[::]", "0.0.0.0,::"),
    ],
)
def test_every_host_of_a_list_needs_auth_or_a_word(host: str, outside: str | None) -> None:
    if outside is not None:
        [fault] = faults(env(SERVER__HOST=host))
        assert fault.startswith(f"server.host {outside} is reachable from outside and auth.mode is none")
    found = load_settings(None, env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true")).server.hosts()
    assert found == tuple(part.strip(" []") for part in host.split(","))


@pytest.mark.parametrize(
    "host", ["127.0.0.1,", "::1,[::1]", "127.0.0.1;::1", "a b", "[::1]:8080", "http://h", "[::1", "*"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert "server.host must be" in faults(env(SERVER__HOST=host))[0]


@pytest.mark.parametrize(
    "host",
    [
        "localhost,127.0.0.1",
        "::1,0:0:0:0:0:0:0:1",
        "127.0.0.1,::ffff:127.0.0.1",
        "0.0.0.0,127.0.0.1",
        "0.0.0.0,localhost",
        "[::],[::1]",
        "[::],10.0.0.1",
        "0.0.0.0,[::],[::1]",
    ],
)
def test_an_address_that_another_host_has_already_is_refused(host: str) -> None:
    """The second socket would find it in use."""
    [fault] = faults(env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true"))
    assert "server.host must be different addresses" in fault


@pytest.mark.parametrize("section", ["DATABASE", "REDIS"])
def test_a_secret_file_must_be_there(section: str, tmp_path: Path) -> None:
    [fault] = faults(env(**{f"{section}__PASSWORD_FILE": str(tmp_path / "none")}))
    assert fault == f"{section.lower()}.password_file: cannot read {tmp_path / 'none'}"


@pytest.mark.parametrize("key", ["URL", "READ_URL", "DIRECT_URL"])
def test_a_wrong_address_is_not_shown(key: str) -> None:
    assert faults(env(**{f"DATABASE__{key}": "postgresql://u:s3cret@h:port:1/d?nope=1"})) == [
        f"database.{key.lower()} is not a PostgreSQL address: it has an option that PostgreSQL does not know"
    ]


@pytest.mark.parametrize("host", ["me:s3cret@db", "postgresql://u:s3cret@db", "db-1,,db-2", "db 1"])
def test_a_wrong_host_is_not_shown_either(host: str) -> None:
    [fault] = faults(env(DATABASE__HOST=host))
    assert fault.startswith("database.host ")
    assert "s3cret" not in fault
    load_settings(None, env(DATABASE__HOST=host, DATABASE__URL="postgresql://used"))


@pytest.mark.parametrize("host", ["db", "10.0.0.1", "fd00::1", "db-1,db-2.example", "/run/postgresql"])
def test_hosts_of_postgresql(host: str) -> None:
    assert load_settings(None, env(DATABASE__HOST=host)).database.host == host


def test_secrets_are_in_no_representation() -> None:
    settings = Settings(
        database=DatabaseSettings(
            url="postgresql://u:s3cret@h/d",
            read_url="postgresql://u:s3cret@r/d",
            direct_url="postgresql://o:s3cret@h/d",
        ),
        redis=RedisSettings(url="redis://:s3cret@h/0"),
    )
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("url", [None, "postgresql://me@db:6543/store?sslmode=require", "host=db user=me"])
@pytest.mark.parametrize("password", ["simple", "p@ss:w/rd?#%41", 'it\'s \\ "quoted"', " spaces = in it ", "пароль"])
def test_password_files_may_hold_anything(tmp_path: Path, url: str | None, password: str) -> None:
    path = tmp_path / "password"
    path.write_text(password + "\n")
    settings = DatabaseSettings(url=url, host="db", user="me", password_file=str(path))
    parts = conninfo.conninfo_to_dict(settings.conninfo())
    assert (parts["password"], parts["host"], parts["user"]) == (password, "db", "me")


def test_a_rotated_password_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old\n")
    settings = DatabaseSettings(password_file=str(path))
    before = settings.conninfo()
    path.write_text("new\r\n")
    assert conninfo.conninfo_to_dict(before)["password"] == "old"
    assert conninfo.conninfo_to_dict(settings.conninfo())["password"] == "new"


def test_address_from_parts() -> None:
    parts = conninfo.conninfo_to_dict(DatabaseSettings(host="db", port=6543, name="n", user="u").conninfo())
    assert parts == {"host": "db", "port": "6543", "dbname": "n", "user": "u", "sslmode": "prefer"}


def test_migrations_may_have_an_address_of_their_own() -> None:
    settings = DatabaseSettings(url="postgresql://service@pooler/d", direct_url="postgresql://owner@db/d")
    assert settings.migration_conninfo() == "postgresql://owner@db/d"
    assert DatabaseSettings(url="postgresql://service@db/d").migration_conninfo() == "postgresql://service@db/d"
    assert settings.service_role() == "service"


def test_migrations_may_have_a_password_file_of_their_own(tmp_path: Path) -> None:
    service, owner = tmp_path / "service", tmp_path / "owner"
    service.write_text("s3rvice\n")
    owner.write_text("0wner\n")
    settings = DatabaseSettings(
        host="db",
        user="service",
        password_file=str(service),
        direct_url="postgresql://owner@db/d",
        direct_password_file=str(owner),
    )
    assert conninfo.conninfo_to_dict(settings.migration_conninfo())["password"] == "0wner"
    assert conninfo.conninfo_to_dict(settings.conninfo())["password"] == "s3rvice"


def test_the_service_role_may_be_unnamed() -> None:
    assert DatabaseSettings(url="postgresql://db/d").service_role() is None


SECRET = "s3cr:t-w0rd"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@db/store",
        f"postgresql://me@db/store?password={SECRET}&sslmode=require",
        f"postgresql://me@db/store?sslmode=require&password={SECRET}",
        f"host=db password={SECRET} user=me",
        f"password = {SECRET} host=db",
        f"password='a {SECRET} it\\'s {SECRET}' host=db",
        f"password=a\\ {SECRET} host=db",
        f"host=db sslpassword={SECRET}",
        f"host=db scram_client_key={SECRET} scram_server_key={SECRET}",
        f"postgresql://db/store?oauth_client_secret={SECRET}",
    ],
)
def test_secrets_in_addresses_are_masked(url: str) -> None:
    conninfo.conninfo_to_dict(url)  # a form that libpq takes
    shown = Settings(database=DatabaseSettings(url=url, direct_url=url)).masked()["database"]
    for key in ("url", "direct_url"):
        assert "****" in shown[key]
        assert "db" in shown[key]
        for part in (SECRET, *SECRET.split(":")):
            assert part not in shown[key]


@pytest.mark.parametrize("url", [f"redis://:{SECRET}@host/0", f"rediss://me:x@{SECRET}@host:6380/0"])
def test_secrets_of_redis_are_masked(url: str) -> None:
    shown = Settings(redis=RedisSettings(url=url)).masked()["redis"]["url"]
    assert SECRET not in shown
    assert "****" in shown
    assert "@host" in shown


def test_what_is_no_secret_is_shown() -> None:
    shown = Settings(database=DatabaseSettings(url="postgresql://me@db:5432/store")).masked()
    assert shown["database"]["url"] == "postgresql://me@db:5432/store"
    assert shown["redis"]["url"] is None
    assert shown["audit"]["event_categories"] == list(config.DEFAULT_EVENT_CATEGORIES)
    assert shown.keys() == Settings.SECTIONS.keys()


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    for quota, cores in ((None, 4), (2.5, 2), (0.5, 1), (16.0, 4)):
        monkeypatch.setattr(config, "cpu_quota", lambda quota=quota: quota)
        assert config.available_cores() == cores
        assert ServerSettings().effective_workers() == cores
    assert ServerSettings(workers=3).effective_workers() == 3


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"/sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_cpu_quota(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], quota: float | None) -> None:
    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(str(path))
        return files[str(path)]

    monkeypatch.setattr(config.Path, "read_text", read)
    assert config.cpu_quota() == quota


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().server.port = 1  # type: ignore[misc]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: opening it plainly would wait for ever."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_a_settings_file_that_is_none(tmp_path: Path, fifo: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"# " + b"x" * 1024**2)
    for path, reason in (
        (tmp_path, "is a folder, where a regular file is needed"),
        (fifo, "is a pipe, where a regular file is needed"),
        (large, "is larger than 1048576 bytes"),
        ("/dev/zero", "is larger than 1048576 bytes"),
        (tmp_path / "no\nne", None),
    ):
        [fault] = faults(path=path)  # type: ignore[arg-type]
        assert fault == (f"{path}: {reason}" if reason else f"{tmp_path}/no\\nne: No such file or directory")
    assert load_settings("/dev/null", {}) == Settings()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server: {port: 1}\nserver: {port: 2}\n", "server: stands here twice (line 2)"),
        ("server:\n  port: 010000\n", "a number that YAML 1.1 and 1.2 read differently"),
        ("a: &a [*a]\n", "an alias stands inside of what it stands for (line 1)"),
        ("a: 1\n---\nb: 2\n", "holds 2 documents where one is read (line 2)"),
        ("[" * 1000, "nested deeper than 64 levels (line 1)"),
        ("database: {password_file: *s3cret}", "is not YAML: found undefined alias (line 1)"),
        ("database:\n\tname: x", "is not YAML: a tab stands where YAML takes spaces only (line 2)"),
    ],
)
def test_yaml_that_is_not_taken(yaml_file: Any, text: str, fault: str) -> None:
    path = yaml_file(text)
    [told] = faults(path=path)
    assert told.startswith(f"{path}: {fault}")
    assert "\n" not in told
    assert "s3cret" not in told


@pytest.mark.parametrize("text", ["no", "off", "False", "'no'", "0x0"])
def test_booleans_of_yaml_1_1_go_on_to_work(yaml_file: Any, text: str) -> None:
    if text == "0x0":
        assert load_settings(str(yaml_file(f"health: {{port: {text}}}")), {}).health.port == 0
    else:
        assert load_settings(str(yaml_file(f"auth: {{protect_metrics: {text}}}")), {}).auth.protect_metrics is False


def test_variables_of_other_bytes_than_utf_8_are_named() -> None:
    assert faults(env(SERVER__HOST="\udcff", NOPE__NAME="\udcff")) == [
        "DATASTORAGE_SERVER__HOST: holds bytes that are not UTF-8",
        "DATASTORAGE_NOPE__NAME: holds bytes that are not UTF-8",
    ]


@pytest.mark.parametrize(
    "key", ["database.password_file", "database.direct_password_file", "redis.password_file", "database.sslrootcert"]
)
def test_secret_files_that_are_none(tmp_path: Path, fifo: Path, key: str) -> None:
    def fault_of(path: Path | str) -> str:
        [fault] = faults(env(**{key.replace(".", "__").upper(): str(path)}))
        return fault

    assert fault_of(fifo) == f"{key}: {fifo}: is a pipe, where a regular file is needed"
    assert fault_of(tmp_path) == f"{key}: {tmp_path}: is a folder, where a regular file is needed"
    assert fault_of("/dev/zero").startswith(f"{key}: /dev/zero: is larger than ")
    if key.endswith("password_file"):
        path = tmp_path / "x"
        for content, reason in ((b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is not UTF-8")):
            path.write_bytes(content)
            assert fault_of(path) == f"{key}: {path}: {reason}"


def test_a_password_file_that_went_bad_is_an_outage(tmp_path: Path) -> None:
    """So that writes go to the queue until it is mended."""
    path = tmp_path / "x"
    path.write_text("one")
    settings = load_settings(None, env(DATABASE__PASSWORD_FILE=str(path))).database
    assert "password=one" in settings.conninfo()
    path.write_bytes(b"\xff")
    with pytest.raises(OSError, match="is not UTF-8") as e:
        settings.conninfo()
    assert classify(e.value) is Fault.OUTAGE


@pytest.mark.parametrize(
    "value", ["a", "a:b", "a:0", "a:70000", ":26379", "u@a:26379", "a:26379/0", "a:1,b", "::1:26379"]
)
def test_sentinels_are_addresses_with_a_port(value: str) -> None:
    assert faults(env(REDIS__SENTINELS=value)) == [
        "DATASTORAGE_REDIS__SENTINELS: redis.sentinels must be a list of host:port, such as sentinel-0:26379"
    ]


def test_sentinels_go_with_an_address_over_tcp_and_their_password_with_them() -> None:
    both = {"REDIS__SENTINELS": "a:26379", "REDIS__URL": "unix:///run/redis"}
    [fault] = faults(env(**both))
    assert fault.startswith("redis.sentinels name an address over TCP")
    assert faults(env(REDIS__SENTINEL_PASSWORD_FILE=__file__)) == ["redis.sentinel_password_file needs redis.sentinels"]
    settings = load_settings(None, env(REDIS__SENTINELS="a:26379,[::1]:26379"))
    assert settings.redis.configured
    assert settings.redis.address == "redis://by-sentinels/0"
