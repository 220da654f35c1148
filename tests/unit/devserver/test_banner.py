"""What `datastorage dev` prints when everything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from app.config.log import LogSettings
from app.config.log_keys import new_key_file
from app.config.settings import AuthSettings, Settings
from devserver import (
    EmbeddedPostgres,
    EmbeddedValkey,
)
from devserver.backends import Backends
from devserver.banner import banner, without_password


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@db:5433/audit", "postgresql://me@db:5433/audit"),
        ("host=db user=me password=secret dbname=audit", "postgresql://me@db:5432/audit"),
        ("redis://:secret@cache:6380/2", "redis://cache:6380/2"),
        ("rediss://me:secret@cache/0?ssl_password=secret", "rediss://cache/0"),
    ],
)
def test_addresses_are_shown_without_their_password(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_the_banner_names_everything_and_no_secret(tmp_path: Path) -> None:
    postgres, valkey = EmbeddedPostgres(tmp_path / "p", port=5433), EmbeddedValkey(tmp_path / "v", port=6380)
    for server in (postgres, valkey):
        server.data_dir.mkdir()
    backends = Backends(
        database_url=postgres.url("service"),
        direct_url=postgres.url("owner"),
        service_role="datastorage",
        redis_url=valkey.url(),
        embedded=(postgres, valkey),
    )
    key = new_key_file(tmp_path / "log.key", "localhost/datastorage")
    text = banner(Settings(log=LogSettings(key_file=str(tmp_path / "log.key"))), backends, tmp_path)
    assert key.encode() not in text
    for expected in (
        f"  Log key   {key.verifier}\n",
        "http://127.0.0.1:8080/metrics",
        "http://127.0.0.1:8080/docs",
        "http://127.0.0.1:8080/health",
        ":5433/",
        ":6380/",
        str(tmp_path),
        f"PGPASSWORD=$(jq -r .datastorage_owner {tmp_path / 'postgresql' / 'passwords.json'}) ",
        f'DATASTORAGE_REDIS__URL="redis://:$(jq -r .default {tmp_path}/valkey/passwords.json)@127.0.0.1:6380/0" ',
        f"DATASTORAGE_LOG__KEY_FILE={tmp_path / 'log.key'} ",
        "datastorage log status\n\nCtrl-C",
    ):
        assert expected in text
    assert text.count(str(key.verifier)) == text.count(str(tmp_path / "log.key")) == 1
    log = LogSettings(key_file=str(tmp_path / "log.key"), origin="log.example/a", checkpoint_file="/my files/a")
    told = banner(Settings(log=log), backends, tmp_path, "The log is not signed.")
    for expected in (
        "DATASTORAGE_LOG__ORIGIN=log.example/a ",
        "DATASTORAGE_LOG__CHECKPOINT_FILE='/my files/a' ",
        "datastorage log status\n\nThe log is not signed.\n\nCtrl-C",
    ):
        assert expected in told
    for url in (postgres.url("service"), postgres.url("owner")):
        assert str(conninfo_to_dict(url)["password"]) not in text
    assert valkey.url().split(":")[2].split("@")[0] not in text


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (AuthSettings(mode="token", tokens_file="/etc/my tokens"), "--append '/etc/my tokens' --quiet)"),
        (AuthSettings(mode="jwt"), "export DATASTORAGE_TOKEN=TOKEN-OF-YOUR-ISSUER"),
    ],
)
def test_the_banner_shows_a_token_where_one_is_asked_for(tmp_path: Path, auth: AuthSettings, said: str) -> None:
    backends = Backends(
        database_url="", direct_url="postgresql://db/d", service_role=None, redis_url="redis://cache", embedded=()
    )
    header = '-H "Authorization: Bearer $DATASTORAGE_TOKEN"'
    text = banner(Settings(auth=auth), backends, tmp_path)
    assert text.count(header) == 2, "with what writes and with what reads"
    assert said in text
    assert ("datastorage token create --name" in text) == (auth.mode == "token")
    open_to_all = banner(Settings(), backends, tmp_path)
    assert "Authorization" not in open_to_all
    assert "DATASTORAGE_TOKEN" not in open_to_all
