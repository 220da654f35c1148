"""Records of the feed as CloudEvents and as OCSF: what their specifications ask for, and the record whole."""

from __future__ import annotations

import copy
import re
from typing import Any

import jsonschema
import pytest
from datastorage_client.formats.cloudevents import cloud_event
from datastorage_client.formats.ocsf import ocsf_event
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339

from tests.unit.client.feed_service import DAY, EVENT_ID, event, notification

RECORDS = [event(7), notification(3)]


# CloudEvents 1.0.2: "Context Attributes", "Type System", and of the JSON format sections 2 and 3.
_TEXT = {"type": "string", "minLength": 1, "not": {"pattern": "[\\u0000-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\uffff]"}}
CLOUD_EVENT = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": _TEXT,
        "source": {**_TEXT, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": _TEXT,
        "datacontenttype": {"const": "application/json"},
        "subject": _TEXT,
        "time": {**_TEXT, "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z$"},
        "data": {"type": "object"},
    },
    # Others would be extensions, and there are none.
    "additionalProperties": False,
}


def odd_records() -> list[dict[str, Any]]:
    """Without all that may be absent, or null; and with texts that no attribute may have."""
    required = {"kind", "event_id", "event_date", "event_type", "event_timestamp"}
    plain = event(7)
    sparse = {name: value for name, value in plain.items() if name in required}
    return [
        sparse,
        {name: value if name in required else None for name, value in plain.items()},
        {**plain, "event_type": "a\nb\x7f", "resource_id": "\uffff\ufdd0", "event_action": "", "resource_type": ""},
        {**notification(3), "remediation_id": "", "recorded_by": "payments"},
    ]


@pytest.mark.parametrize("record", [*RECORDS, *odd_records()])
def test_a_cloud_event(record: dict[str, Any]) -> None:
    made = cloud_event(copy.deepcopy(record), "https://audit.example")
    jsonschema.Draft202012Validator(CLOUD_EVENT).validate(made)
    assert made["data"] == record
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in made)
    assert parse_rfc3339(made["time"]) is not None


def test_a_cloud_event_of_nothing_has_no_subject() -> None:
    assert "subject" not in cloud_event(odd_records()[0], "x")
    assert cloud_event({**event(1), "resource_type": None}, "x")["subject"] == "session-10"


def test_the_identity_of_a_cloud_event_is_that_of_the_record() -> None:
    assert cloud_event(event(7), "x")["id"] == f"{DAY}/{EVENT_ID.format(7)}"
    assert cloud_event(notification(3), "x")["id"] == "notification/3"


@pytest.mark.parametrize("record", [*RECORDS, *odd_records()])
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
    assert made["src_endpoint"].keys() & {"ip", "name"}
    user = made["actor"]["user"]
    assert user.get("uid") or user.get("name")
    assert isinstance(user["type_id"], int)
    assert isinstance(user["type"], str)
    assert isinstance(made["severity_id"], int)
    assert isinstance(made["status_id"], int)
    assert None not in [*made.values(), *made["metadata"].values(), *made.get("resources", [{}])[0].values()]


@pytest.mark.parametrize(
    ("action", "activity"),
    [
        ("GetBucketPolicy", 2), ("list", 2), ("create_user", 1), ("RunInstances", 1), ("delete-key", 4), ("SetRole", 3),
        ("login", 99), ("GET", 2), ("GETObject", 2), ("deleted", 4), ("", 99), ("9lives", 99), ("getaway", 99),
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


def test_an_activity_without_a_number_has_its_own_name() -> None:
    made = ocsf_event({**event(1), "event_action": "login"})
    assert (made["activity_id"], made["activity_name"], made["type_uid"]) == (99, "login", 600399)
    assert made["api"]["operation"] == "login"


@pytest.mark.parametrize(
    ("kind", "number", "name"),
    [("User", 1, "User"), ("system", 3, "System"), ("robot", 99, "robot"), (None, 0, "Unknown")],
)
def test_the_type_of_an_actor(kind: str | None, number: int, name: str) -> None:
    user = ocsf_event({**event(1), "actor_type": kind})["actor"]["user"]
    assert user == {"uid": "alice", "type_id": number, "type": name}


@pytest.mark.parametrize("record", [{}, {"kind": "audit_event"}, {**event(1), "event_timestamp": "yesterday"}])
def test_what_is_no_record(record: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        ocsf_event(record)


def test_every_digit_stays() -> None:
    text = b'{"n": 123456789012345678901234567890.10}'
    record = {**event(1), "event_data": jsonvalue.parse(text)}
    for made in (cloud_event(record, "x"), ocsf_event(record)):
        assert b"123456789012345678901234567890.10" in jsonvalue.compact(made)
