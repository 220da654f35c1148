from __future__ import annotations

from typing import Any

import pytest
import redis

from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint


class Sentinel:
    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)

    def sentinel_master(self, service: str) -> dict[str, Any]:
        assert service == "mymaster"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def names(port: int, epoch: int) -> dict[str, Any]:
    return {"ip": "10.0.0.1", "port": port, "config-epoch": epoch}


def located(*sentinels: Sentinel) -> Endpoint:
    made = Endpoint(RedisSettings(sentinels=("a:1",)))
    made._sentinels = list(sentinels)  # type: ignore[arg-type]
    made.locate()
    return made


def test_the_newest_configuration_counts_though_another_sentinel_comes_first() -> None:
    cut_off, well = Sentinel(names(1, 3)), Sentinel(names(2, 4))
    assert located(cut_off, redis_away(), well).address == ("10.0.0.1", 2)


def redis_away() -> Sentinel:
    return Sentinel(redis.ConnectionError("away"), redis.ConnectionError("away"))


def test_while_no_sentinel_answers_the_last_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    made = located(Sentinel(names(1, 3), redis.TimeoutError("frozen"), redis.ResponseError("No such master")))
    made.locate()
    made.locate()
    assert made.address == ("10.0.0.1", 1)
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "no sentinel names the primary of mymaster"
    ]


def test_without_a_primary_nothing_is_connected_to() -> None:
    made = Endpoint(RedisSettings(url="redis://127.0.0.1:1", sentinels=("127.0.0.1:1",)))
    made.locate()
    with pytest.raises(redis.ConnectionError, match="no sentinel has named the primary"):
        made.client(connect_timeout=1, timeout=1).ping()
