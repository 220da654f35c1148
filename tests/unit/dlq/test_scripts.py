"""The Lua scripts: each file is used, says what it does, and runs in a Redis that has forgotten it."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from app.dlq import scripts
from tests.tree import ROOT

FILES = sorted((ROOT / "app/dlq/scripts").glob("*.lua"))
SHARED = ("counter", "entries")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_says_what_it_does_and_is_a_script_or_part_of_one(path: Any) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("-- Shared" if path.stem in SHARED else f"-- {path.stem.capitalize()}: ")
    if path.stem in SHARED:
        assert text in scripts.SETTLE.text
    else:
        assert getattr(scripts, path.stem.upper()).text.endswith(text)


def test_a_script_is_called_by_its_name_and_sent_only_where_it_is_not_known() -> None:
    client = Mock()
    client.evalsha.return_value = 1
    assert scripts.LEAVE.run(cast("redis.Redis", client), 1, "stream", "group") == 1
    client.evalsha.assert_called_once_with(scripts.LEAVE.sha, 1, "stream", "group")
    client.eval.assert_not_called()

    client.evalsha.side_effect = NoScriptError("NOSCRIPT No matching script.")
    client.eval.return_value = 2
    assert scripts.LEAVE.run(cast("redis.Redis", client), 1, "stream", "group") == 2
    client.eval.assert_called_once_with(scripts.LEAVE.text, 1, "stream", "group")


def test_a_script_that_failed_is_not_run_again() -> None:
    client = Mock()
    client.evalsha.side_effect = ResponseError("ERR")
    with pytest.raises(ResponseError):
        scripts.LEAVE.run(cast("redis.Redis", client), 1, "stream", "group")
    client.eval.assert_not_called()
