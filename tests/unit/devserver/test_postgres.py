"""Addresses and roles of the embedded PostgreSQL, and what its data directory has to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import devserver as dev
from devserver import (
    DevError,
    EmbeddedPostgres,
)


@pytest.mark.parametrize("password", ["simple", "a/b@c:d?e#f%g h", "ünï"])
def test_a_postgres_url_reads_back_whatever_the_password(password: str) -> None:
    url = dev.postgres_url("owner", password, 5433, "a db/ü")
    assert conninfo_to_dict(url) == {
        "user": "owner",
        "password": password,
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": "a db/ü",
    }


@pytest.mark.parametrize(
    ("role", "user"), [("owner", "datastorage_owner"), ("service", "datastorage"), ("superuser", "postgres")]
)
def test_each_role_has_an_address_of_its_own(tmp_path: Path, role: str, user: str) -> None:
    server = EmbeddedPostgres(tmp_path, port=5433)
    known = conninfo_to_dict(server.url(role))  # type: ignore[arg-type]
    assert (known["user"], known["dbname"], known["port"]) == (user, "datastorage", "5433")
    assert conninfo_to_dict(server.url(role, "other"))["dbname"] == "other"  # type: ignore[arg-type]


def test_passwords_are_drawn_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = EmbeddedPostgres(tmp_path, port=1), EmbeddedPostgres(tmp_path, port=1)
    assert first.url("owner") == second.url("owner")
    passwords = {str(conninfo_to_dict(first.url(r))["password"]) for r in ("owner", "service", "superuser")}  # type: ignore[arg-type]
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 32
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600


def test_data_of_another_version_is_one_clear_line(tmp_path: Path) -> None:
    dev.check_version(tmp_path, "18", "18")
    with pytest.raises(DevError, match=r"^the data in .* was written by PostgreSQL 17, this is 18: choose .*DATA_DIR"):
        dev.check_version(tmp_path, "17", "18")
