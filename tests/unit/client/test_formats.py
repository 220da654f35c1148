"""Records of the feed as CloudEvents and as OCSF: what their specifications ask for, and the record whole."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from datastorage_client.formats.cloudevents import cloud_event
from datastorage_client.formats.ocsf import ocsf_event
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339

from tests.unit.client.feed_service import DAY, EVENT_ID, event, notification

RECORDS = [event(7), notification(3)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["kind"])
def test_a_cloud_event(record: dict[str, Any]) -> None:
    """CloudEvents 1.0.2: required attributes, their types, and names of lower-case letters and digits."""
    made = cloud_event(copy.deepcopy(record), "https://audit.example")
    assert made["data"] == record
    assert {"id", "source", "specversion", "type"} <= made.keys()
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in made)
    assert all(isinstance(value, str) and value for name, value in made.items() if name != "data")
    assert (made["specversion"], made["datacontenttype"]) == ("1.0", "application/json")
    assert parse_rfc3339(made["time"]) is not None


def test_the_identity_of_a_cloud_event_is_that_of_the_record() -> None:
    assert cloud_event(event(7), "x")["id"] == f"{DAY}/{EVENT_ID.format(7)}"
    assert cloud_event(notification(3), "x")["id"] == "notification/3"


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["kind"])
def test_an_ocsf_event(record: dict[str, Any]) -> None:
    """OCSF 1.3.0, class API Activity: the required attributes of the class and of its objects."""
    made = ocsf_event(copy.deepcopy(record))
    assert made["unmapped"] == {"record": record}
    required = {"activity_id", "actor", "api", "category_uid", "class_uid", "metadata", "severity_id", "src_endpoint"}
    assert required | {"time", "type_uid"} <= made.keys()
    assert made["type_uid"] == made["class_uid"] * 100 + made["activity_id"]
    assert made["api"]["operation"]
    assert {"product", "version"} <= made["metadata"].keys()
    assert made["metadata"]["product"]["vendor_name"]
    assert made["time"] == 1767607200000
    assert made["src_endpoint"]
    assert made["actor"]


@pytest.mark.parametrize(
    ("action", "activity"),
    [
        ("GetBucketPolicy", 2), ("list", 2), ("create_user", 1), ("RunInstances", 1), ("delete-key", 4), ("SetRole", 3),
        ("login", 99), ("", 99), ("9lives", 99), ("getaway", 99),
    ],
)  # fmt: skip
def test_the_activity_follows_from_the_action(action: str, activity: int) -> None:
    assert ocsf_event({**event(1), "event_action": action})["activity_id"] == activity


@pytest.mark.parametrize(
    ("severity", "number"), [("critical", 5), ("Warning", 3), ("info", 1), (None, 0), ("odd", 99), ("high", 4)]
)
def test_the_severity(severity: str | None, number: int) -> None:
    assert ocsf_event({**event(1), "severity": severity})["severity_id"] == number


def test_what_is_known_of_an_event_has_its_place() -> None:
    made = ocsf_event(
        {
            **event(1), "actor_ip": "192.0.2.7", "error_code": "E1", "error_message": "no", "duration_ms": 12,
            "namespace": "payments", "event_outcome": "failure",
        }
    )  # fmt: skip
    assert made["src_endpoint"] == {"ip": "192.0.2.7"}
    assert (made["status_code"], made["status_detail"], made["duration"]) == ("E1", "no", 12)
    assert made["resources"] == [{"uid": "session-10", "type": "auth", "namespace": "payments"}]
    assert (made["status_id"], made["status"]) == (2, "Failure")


def test_every_digit_stays() -> None:
    text = b'{"n": 123456789012345678901234567890.10}'
    record = {**event(1), "event_data": jsonvalue.parse(text)}
    for made in (cloud_event(record, "x"), ocsf_event(record)):
        assert b"123456789012345678901234567890.10" in jsonvalue.compact(made)
