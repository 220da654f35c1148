"""Addresses of the stores and of the service: what is taken, what is refused, and that no refusal shows a secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import conninfo
from redis.connection import parse_url

from app.config.addresses import check_postgresql, check_redis, reached_at, with_port

SECRET = "hunter2"


def refusal(check: Callable[[str], None], address: str) -> str:
    with pytest.raises(ValueError) as caught:
        check(address)
    # Neither is what was raised before it, which a traceback would show.
    shown = [caught.value.__cause__, None if caught.value.__suppress_context__ else caught.value.__context__]
    assert shown == [None, None]
    text = str(caught.value)
    assert SECRET not in text
    return text


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://cache", ("cache", None, None)),
        ("redis://cache:6379/0", ("cache", 6379, 0)),
        (f"redis://:{SECRET}@10.0.0.1:6380/15", ("10.0.0.1", 6380, 15)),
        (f"rediss://me:{SECRET}:more@[fd00::1]:6380/1", ("fd00::1", 6380, 1)),
        ("redis://:%40%23%2F%3F@cache/", ("cache", None, None)),
        ("redis://cache?db=3", ("cache", None, 3)),
        ("rediss://cache/1?ssl_cert_reqs=none&ssl_check_hostname=False", ("cache", None, 1)),
        ("unix:///run/redis/redis.sock?db=2", (None, None, 2)),
    ],
)
def test_addresses_of_redis_that_are_good(url: str, place: tuple[str | None, int | None, int | None]) -> None:
    check_redis(url)
    read = parse_url(url)
    assert (read.get("host"), read.get("port"), read.get("db")) == place


@pytest.mark.parametrize(
    ("url", "because"),
    [
        (f"http://:{SECRET}@cache", "starts with redis:// or rediss://"),
        (f"REDIS://:{SECRET}@cache", "starts with redis:// or rediss://"),
        (f"redis:/:{SECRET}@cache", "starts with redis:// or rediss://"),
        (f"{SECRET}", "starts with redis:// or rediss://"),
        (f"redis://:{SECRET}@cache:70000/0", "has a port"),
        (f"redis://:{SECRET}@cache:0/0", "has a port"),
        (f"redis://:{SECRET}@cache:/0", "has a port"),
        (f"redis://cache:{SECRET}", "has a port"),
        (f"redis://:a#{SECRET}@cache:6379/0", "write @ as %40"),
        (f"redis://:{SECRET}@{SECRET}@cache:6379/0", "write @ as %40"),
        (f"redis://:{SECRET}/{SECRET}@cache:6379/0", "write @ as %40"),
        (f"redis://:6379/{SECRET}@cache:6379/0", "write @ as %40"),
        (f"redis://:{SECRET}?{SECRET}@cache:6379/0", "write @ as %40"),
        (f"redis://:{SECRET}\n@cache:6379/0", "control character"),
        (f"redis://:{SECRET} @cache:6379/0", "a space"),
        (f"redis://:{SECRET}@/0", "names no host"),
        (f"redis://:{SECRET}@a,b/0", "names no host"),
        (f"redis://:{SECRET}@::1:6379/0", "names no host"),
        (f"redis://:{SECRET}@[{SECRET}]:6379/0", "names no host"),
        ("redis://cache/16384000000", "the number of a database"),
        ("redis://cache/-1", "the number of a database"),
        ("redis://cache/0/1", "the number of a database"),
        (f"redis://cache/{SECRET}", "the number of a database"),
        ("redis://cache/0?db=x", "the option db"),
        ("redis://cache?db=1&db=2", "the option db twice"),
        ("redis://cache/1?db=2", "names its database twice"),
        ("rediss://cache/1?ssl_cert_reqs=maybe", "the option ssl_cert_reqs"),
        ("redis://cache/1?ssl_cert_reqs=none", "only: db;"),
        (f"unix://{SECRET}/run/redis.sock", "the socket's whole path"),
        (f"redis://cache/0?{SECRET}=1", "an unknown option, only: db;"),
        *(
            (f"redis://cache/0?{option}={SECRET}", f"cannot have the option {option}, only: db;")
            for option in (
                *("decode_responses", "protocol", "retry", "retry_on_timeout", "retry_on_error", "socket_timeout"),
                *("socket_connect_timeout", "health_check_interval", "encoding", "single_connection_client"),
                *("client_name", "max_connections", "username", "password"),
            )
        ),
    ],
)
def test_addresses_of_redis_that_are_refused(url: str, because: str) -> None:
    assert because in refusal(check_redis, url)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://",
        f"postgres://me:{SECRET}@db:5432/store?sslmode=require",
        "postgresql://db1:5432,db2:5433/store?target_session_attrs=read-write",
        "postgresql://db1,db2/store?load_balance_hosts=random",
        "postgresql://[fd00::1]:5432/store",
        "postgresql://me:%40%23%2F%3F@db/store",
        "postgresql:///store?host=/run/postgresql",
        "postgresql://db/store?options=-c%20search_path%3Dx&application_name=x&connect_timeout=10&keepalives_idle=5",
        "host=db1,db2 port=5432 dbname=store",
        "host=db1,db2 hostaddr=10.0.0.1,fd00::2 dbname=store",
        f"host=db password='a @ # {SECRET}' user=me",
        "dbname=store",
    ],
)
def test_addresses_of_postgresql_that_are_good(address: str) -> None:
    check_postgresql(address)
    conninfo.conninfo_to_dict(address)


@pytest.mark.parametrize(
    ("address", "because"),
    [
        (SECRET, "is not a PostgreSQL address"),
        (f"http://me:{SECRET}@db/store", "is not a PostgreSQL address"),
        (f"postgresql://me:{SECRET}%zz@db/store", "is not a PostgreSQL address"),
        (f"host=db password=a {SECRET}", "is not a PostgreSQL address"),
        (f"host=db password=a {SECRET}=x", "an option that PostgreSQL does not know"),
        (f"postgresql://db/store?decode_responses={SECRET}", "an option that PostgreSQL does not know"),
        (f"postgresql://db/store?password=a&{SECRET}=b", "an option that PostgreSQL does not know"),
        (f"postgresql://me:a#{SECRET}@db/store", "write @ as %40"),
        (f"postgresql://me:a@{SECRET}@db/store", "write @ as %40"),
        (f"postgresql://me:5432/{SECRET}@db/store", "write @ as %40"),
        (f"postgresql://me:a?{SECRET}@db/store", "write @ as %40"),
        (f"postgresql://me:{SECRET}\t@db/store", "control character"),
        (f"postgresql://me:{SECRET}@db:70000/store", "has a port"),
        (f"postgresql://me:{SECRET}@db:0/store", "has a port"),
        (f"postgresql://db:{SECRET}/store", "has a port"),
        (f"host=db port={SECRET}", "has a port"),
        ("host=a,b port=1,2,3", "in different numbers"),
        ("host=a,b,c port=1,2", "in different numbers"),
        ("host=a,b hostaddr=10.0.0.1", "in different numbers"),
        ("host=a,,b", "an empty host"),
        (f"host=db hostaddr={SECRET}", "the option hostaddr"),
        (f"postgresql://db/store?hostaddr=10.0.0.256&password={SECRET}", "the option hostaddr"),
        (f"postgresql://db/store?pass%77ord={SECRET}", "written with a %"),
        (f"host='me:{SECRET}@db'", "names no host"),
        (f"postgresql://db/store?sslmode={SECRET}", "the option sslmode"),
        (f"postgresql://db/store?target_session_attrs={SECRET}", "the option target_session_attrs"),
        (f"postgresql://db/store?ssl_min_protocol_version={SECRET}", "the option ssl_min_protocol_version"),
        ("postgresql://db/store?sslmode=disable&sslnegotiation=direct", "the option sslnegotiation"),
        (f"service={SECRET}", "the option service"),
        (f"postgresql://db/store?connect_timeout={SECRET}", "the option connect_timeout"),
        (f"postgresql://db/store?keepalives_idle={SECRET}", "the option keepalives_idle"),
        ("postgresql://db/store?keepalives=0", "cannot have the option keepalives"),
        ("postgresql://db/store?client_encoding=LATIN1", "cannot have the option client_encoding"),
        ("postgresql://db/store?replication=database", "cannot have the option replication"),
    ],
)
def test_addresses_of_postgresql_that_are_refused(address: str, because: str) -> None:
    assert because in refusal(check_postgresql, address)


def test_a_host_with_its_port() -> None:
    assert (with_port("::1", 80), with_port("10.0.0.1", 80), with_port("db", 80)) == (
        "[::1]:80",
        "10.0.0.1:80",
        "db:80",
    )


@pytest.mark.parametrize(
    ("listened", "host"),
    [
        (("0.0.0.0", "::"), "127.0.0.1"),
        (("::",), "::1"),
        (("10.0.0.1", "::1"), "::1"),
        (("10.0.0.1", "fd00::1"), "10.0.0.1"),
        (("",), "127.0.0.1"),
    ],
)
def test_where_this_machine_reaches_it(listened: tuple[str, ...], host: str) -> None:
    assert reached_at(listened) == host
