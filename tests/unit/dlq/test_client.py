from __future__ import annotations

import pytest
import redis
from redis._parsers.base import BaseParser

from app.dlq.client import CLUSTER, REFUSALS, code_of


def answered(line: str) -> Exception:
    error: Exception = BaseParser.parse_error(line)
    return error


@pytest.mark.parametrize("word", [*REFUSALS, *CLUSTER])
def test_the_word_of_an_error_is_read_however_it_is_raised(word: str) -> None:
    rest = "1 127.0.0.1:6379" if word in ("MOVED", "ASK") else "some explanation"
    assert code_of(answered(f"{word} {rest}")) == word


def test_other_errors_have_no_word_that_means_something() -> None:
    assert code_of(answered("ERR unknown command")) == "ERR"
    assert code_of(answered("ERR ACL failure in script: User x has no permissions")) == "NOPERM"
    assert code_of(redis.ConnectionError("READONLY, but not said by Redis")) == ""
    assert code_of(OSError()) == ""
