from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import conninfo

from app.config.stores import DatabaseSettings
from app.configuration import load_settings
from app.postgres.errors import Fault, classify
from tests.unit.config.helpers import env


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
