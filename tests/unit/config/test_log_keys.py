"""The file of the keys that sign the log: what stands in it, and what stops the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common.files import ReadError
from datastorage_common.notes import COSIGNATURE, NoteError, make_key

from app.config.load import ConfigError
from app.config.log import LogSettings
from app.config.log_keys import checkpoint_file_warning, load_keys, parse_keys
from app.configuration import load_settings
from tests.unit.config.helpers import env

ONE, SECOND = make_key("log.example/one", bytes(32)), make_key("log.example/one", b"2" * 32)
OTHER, WITNESS = make_key("log.example/two", b"3" * 32), make_key("w.example", bytes(32), COSIGNATURE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.key"


def test_the_keys_of_a_file_in_their_order() -> None:
    text = f"# of this year\n{ONE.encode()}\r\n\n   \n{SECOND.encode()}\n{OTHER.encode()}"
    assert parse_keys(text) == (ONE, SECOND, OTHER)


def test_without_a_file_there_are_none(path: Path) -> None:
    assert load_keys(LogSettings()) == ()
    with pytest.raises(ReadError):
        load_keys(LogSettings(key_file=str(path)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no key in it"),
        ("# nothing\n", "there is no key in it"),
        (f"{ONE.encode()}\nx\n", "line 2: not a signing key"),
        (str(ONE.verifier), "line 1: not a signing key"),
        (WITNESS.encode(), "line 1: this is the key of a witness"),
        (f"{ONE.encode()}\n{OTHER.encode()}\n{ONE.encode()}\n", "line 3: this key stands there twice"),
        (ONE.encode()[:-4], "line 1: a signing key that is not base64|line 1: the signing key of log.example/one is"),
        (ONE.encode().replace("one", "two"), "line 1: the signing key of log.example/two does not fit its id"),
    ],
)
def test_what_is_no_key_is_said_and_shown_to_nobody(text: str, why: str) -> None:
    with pytest.raises(NoteError, match=why) as raised:
        parse_keys(text)
    secret = ONE.encode().rpartition("+")[2]
    assert secret[:20] not in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "values", "fault"),
    [
        ((ONE, OTHER), {}, None),
        ((ONE, OTHER), {"LOG__ORIGIN": "log.example/two"}, None),
        ((ONE,), {"LOG__ORIGIN": "log.example/two"}, "log.key_file has no key of the log log.example/two"),
        (None, {"LOG__ORIGIN": "log.example/one"}, "log.origin needs log.key_file"),
        ((), {}, "log.key_file: there is no key in it"),
        ((make_key("x" * 256, bytes(32)),), {}, "log.key_file: the name of a key has 255 characters at the most"),
        (
            (make_key("log.exam\xadple", bytes(32)),),
            {},
            "log.key_file: the name of a key has a character that cannot be seen",
        ),
        ((make_key("localhost/../y", bytes(32)),), {}, "log.key_file: the name of a key has . or .. between slashes"),
    ],
)
def test_what_keeps_the_log_from_being_signed_stops_the_start(
    path: Path, keys: tuple[object, ...] | None, values: dict[str, str], fault: str | None
) -> None:
    if keys is not None:
        path.write_text("".join(f"{key.encode()}\n" for key in keys))  # type: ignore[attr-defined]
        values = {**values, "LOG__KEY_FILE": str(path)}
    if fault is None:
        assert load_settings(None, env(**values)).log.key_file == str(path)
        return
    with pytest.raises(ConfigError) as raised:
        load_settings(None, env(**values))
    assert fault in str(raised.value)


def test_without_a_key_nothing_that_signs_is_brought() -> None:
    """It is large, and most of a worker's start is what it imports."""
    script = "import sys, app.services; print([m for m in sys.modules if m.startswith('cryptography.hazmat')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_folder_of_the_checkpoint_file_that_is_not_there(tmp_path: Path) -> None:
    environ = {"DATASTORAGE_LOG__CHECKPOINT_FILE": str(tmp_path / "later" / "signed")}
    told = CliRunner().invoke(datastorage, ["config", "check"], env=environ)
    assert told.exit_code == 0, "writes do not wait for it"
    assert f"log.checkpoint_file: the folder {tmp_path / 'later'} is not there" in told.stderr
    (tmp_path / "later").mkdir()
    assert CliRunner().invoke(datastorage, ["config", "check"], env=environ).stderr == ""


def test_a_folder_of_the_checkpoint_file_that_nothing_can_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc/sys/signed")
    said = checkpoint_file_warning(LogSettings(checkpoint_file=str(tmp_path / "link")))
    if os.access("/proc/sys", os.W_OK):
        pytest.skip("root may write everywhere")
    assert said is not None
    assert "nothing can be written into the folder /proc/sys" in said
