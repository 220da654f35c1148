from __future__ import annotations

import pytest
from psycopg import conninfo

from app.config.settings import Settings
from app.config.stores import DatabaseSettings, RedisSettings


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
    assert shown["audit"]["event_categories"] == ["any"]
    assert shown.keys() == Settings.SECTIONS.keys()
