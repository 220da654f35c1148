"""The mapping of CloudTrail records: every form of identity and resource, limits, and the real records."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from datastorage_client.cli.importers.cloudtrail import MappingError, event_id, to_event
from datastorage_client.cli.importers.files import read_records
from datastorage_common import jsonvalue

from app.audit.event import AuditEvent
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from tests.tree import ROOT

CORPUS = ROOT / "loadtests" / "corpus" / "cloudtrail.jsonl.gz"
EVENT_ID = "875240ac-e821-4fc6-a311-8c352a1d20f5"


def record(**members: Any) -> dict[str, Any]:
    """A CloudTrail record with members replaced; a member given as `...` is left out."""
    made: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDA1",
            "arn": "arn:aws:iam::123837392027:user/benjamin",
            "accountId": "123837392027",
            "userName": "benjamin",
        },
        "eventTime": "2023-07-10T11:42:18Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetBucketPolicy",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "10.248.16.43",
        "requestParameters": None,
        "responseElements": None,
        "requestID": "GXK985FFMWTE90RA",
        "eventID": EVENT_ID,
        "recipientAccountId": "210987654321",
        **members,
    }
    return {k: v for k, v in made.items() if v is not ...}


def validate(event: dict[str, Any]) -> AuditEvent:
    checked = Validator(AuditSettings(), lambda: datetime.now(UTC)).event(event, replayed=True)
    assert isinstance(checked, AuditEvent), checked
    return checked


def test_a_record_as_an_event() -> None:
    given = record(resources=[{"accountId": "1", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}])
    event = to_event(given)
    assert event == {
        "version": "1.0",
        "event_id": EVENT_ID,
        "event_type": "aws.s3.GetBucketPolicy",
        "event_timestamp": "2023-07-10T11:42:18Z",
        "event_category": "gateway",
        "event_action": "GetBucketPolicy",
        "event_outcome": "success",
        "correlation_id": "GXK985FFMWTE90RA",
        "actor_type": "IAMUser",
        "actor_id": "benjamin",
        "resource_type": "AWS::S3::Bucket",
        "resource_id": "arn:aws:s3:::b",
        "namespace": "210987654321",
        "cluster_name": "us-east-1",
        "actor_ip": "10.248.16.43",
        "event_data": given,
    }
    validate(event)


def test_only_the_timestamp_moves() -> None:
    given = record()
    moved = to_event(given, shift=timedelta(days=1000, seconds=1))
    assert moved.pop("event_timestamp") == "2026-04-05T11:42:19Z"
    still = to_event(given)
    del still["event_timestamp"]
    assert moved == still


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2023-07-10T11:42:18.5Z", "2023-07-10T11:42:19.500000Z"),
        ("2023-07-10T13:42:18+02:00", "2023-07-10T11:42:19Z"),
        ("2023-07-10T11:42:18.123456789Z", "2023-07-10T11:42:19.123456Z"),
    ],
)
def test_forms_of_time(time: str, expected: str) -> None:
    assert to_event(record(eventTime=time), shift=timedelta(seconds=1))["event_timestamp"] == expected


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "IAMUser", "principalId": "AIDA1", "accessKeyId": "", "userName": "bert"}, ("IAMUser", "bert")),
        ({"type": "IAMUser", "principalId": "AIDA1", "arn": "a:b", "userName": ""}, ("IAMUser", "a:b")),
        (
            {"type": "AssumedRole", "principalId": "AROA:s", "arn": "arn:aws:sts::1:assumed-role/r/s"},
            ("AssumedRole", "arn:aws:sts::1:assumed-role/r/s"),
        ),
        (
            {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/r/s", "invokedBy": "rds.amazonaws.com"},
            ("AssumedRole", "arn:aws:sts::1:assumed-role/r/s"),
        ),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, ("AWSService", "ec2.amazonaws.com")),
        ({"accountId": "1", "invokedBy": "ec2.amazonaws.com"}, ("AWSService", "ec2.amazonaws.com")),
        ({"type": "Root", "principalId": "1", "arn": "arn:aws:iam::1:root"}, ("Root", "arn:aws:iam::1:root")),
        ({"type": "AWSAccount", "principalId": "AIDA2", "accountId": "99"}, ("AWSAccount", "99")),
        ({"type": "FederatedUser", "arn": "arn:f", "principalId": "1:f"}, ("FederatedUser", "arn:f")),
        ({"type": "SAMLUser", "principalId": "p:s", "userName": "u"}, ("SAMLUser", "p:s")),
        ({"type": "WebIdentityUser", "principalId": "google:1", "userName": "1"}, ("WebIdentityUser", "google:1")),
        ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "94-1"}}, ("IdentityCenterUser", "94-1")),
        ({"type": "Directory", "userName": "d"}, ("Directory", "d")),
        ({"type": "Unknown"}, ("Unknown", "unknown")),
        ({}, ("Unknown", "unknown")),
        (None, ("Unknown", "unknown")),
        ("odd", ("Unknown", "unknown")),
    ],
)
def test_actors(identity: Any, expected: tuple[str, str]) -> None:
    event = to_event(record(userIdentity=identity))
    assert (event["actor_type"], event["actor_id"]) == expected
    validate(event)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"resources": [{"accountId": "1"}, {"ARN": "arn:aws:ssm:us-east-1:1:parameter/p"}, {"ARN": "arn:x"}]},
            ("ssm:parameter", "arn:aws:ssm:us-east-1:1:parameter/p"),
        ),
        ({"resources": [{"ARN": "arn:aws:s3:::bucket"}]}, ("s3", "arn:aws:s3:::bucket")),
        ({"resources": [{"ARN": "arn:aws:rds:r:1:db:x"}]}, ("rds:db", "arn:aws:rds:r:1:db:x")),
        ({"resources": [{"ARN": "no-arn"}]}, ("s3", "no-arn")),
        ({"resources": [], "requestParameters": {"bucketName": "b", "Host": "h"}}, ("s3:bucket", "b")),
        ({"resources": "odd", "requestParameters": {"roleName": "r", "policyArn": "arn:p"}}, ("s3:role", "r")),
        ({"requestParameters": {"resourceArn": "arn:aws:kms:r:1:key/k"}}, ("kms:key", "arn:aws:kms:r:1:key/k")),
        ({"requestParameters": {"name": "/a/b"}}, ("s3", "/a/b")),
        ({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}}, ("s3:instance", "i-1")),
        ({"requestParameters": {"filterSet": {"items": [{"name": "vpc-id"}]}}}, ("service", "s3.amazonaws.com")),
        ({"requestParameters": {"instancesSet": {}, "vpcSet": {"items": []}}}, ("service", "s3.amazonaws.com")),
        ({"requestParameters": {"clientRequestToken": "t"}}, ("service", "s3.amazonaws.com")),
        ({"requestParameters": {"bucketName": ""}}, ("service", "s3.amazonaws.com")),
        ({"requestParameters": {"bucketName": 5}}, ("service", "s3.amazonaws.com")),
        ({"requestParameters": None}, ("service", "s3.amazonaws.com")),
    ],
)
def test_resources(members: dict[str, Any], expected: tuple[str, str]) -> None:
    event = to_event(record(**members))
    assert (event["resource_type"], event["resource_id"]) == expected
    validate(event)


def test_the_order_of_members_changes_nothing() -> None:
    """The same record comes in other orders from other tools, and must be the same event."""
    parameters = {
        "vpcId": "v",
        "subnetId": "s",
        "bSet": {"items": [{"vpcId": "b"}]},
        "aSet": {"items": [{"keyId": "a"}]},
    }
    one = to_event(record(requestParameters=parameters))
    other = to_event(record(requestParameters=dict(reversed(parameters.items()))))
    assert one == other


@pytest.mark.parametrize(
    ("members", "outcome", "code", "message"),
    [
        ({}, "success", None, None),
        ({"errorCode": "AccessDenied", "errorMessage": "no"}, "failure", "AccessDenied", "no"),
        ({"errorCode": "AccessDenied"}, "failure", "AccessDenied", None),
        ({"errorMessage": "Failed authentication"}, "failure", None, "Failed authentication"),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Failure"}}, "failure", None, None),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}}, "success", None, None),
        ({"errorCode": "", "errorMessage": None}, "success", None, None),
    ],
)
def test_outcomes(members: dict[str, Any], outcome: str, code: str | None, message: str | None) -> None:
    event = to_event(record(**members))
    assert (event["event_outcome"], event.get("error_code"), event.get("error_message")) == (outcome, code, message)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("AWS Internal", None),
        ("ec2.amazonaws.com", None),
        ("fe80::1%eth0", None),
        (None, None),
        (5, None),
    ],
)
def test_addresses(source: Any, expected: str | None) -> None:
    assert to_event(record(sourceIPAddress=source)).get("actor_ip") == expected


def test_correlation_falls_back() -> None:
    assert to_event(record(sharedEventID="s"))["correlation_id"] == "GXK985FFMWTE90RA"
    assert to_event(record(requestID=..., sharedEventID="s"))["correlation_id"] == "s"
    assert to_event(record(requestID=""))["correlation_id"] == EVENT_ID
    bare = to_event(record(requestID=..., eventID=...))
    assert bare["correlation_id"] == bare["event_id"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [("s3.amazonaws.com.cn", "aws.s3.GetBucketPolicy"), ("example.org", "aws.example.org.GetBucketPolicy")],
)
def test_event_types(source: str, expected: str) -> None:
    assert to_event(record(eventSource=source))["event_type"] == expected


def test_account_of_the_caller_where_no_recipient_is_named() -> None:
    assert to_event(record(recipientAccountId=...))["namespace"] == "123837392027"
    assert "namespace" not in to_event(record(recipientAccountId=..., userIdentity={}))
    assert "cluster_name" not in to_event(record(awsRegion=...))


def test_ids_are_derived_where_eventid_is_no_uuid() -> None:
    assert event_id(record()) == (uuid.UUID(EVENT_ID), False)
    assert event_id(record(eventID=EVENT_ID.upper())) == (uuid.UUID(EVENT_ID), False)
    one, derived = event_id(record(eventID="event-1"))
    assert derived
    assert one == event_id(record(eventID="event-1", eventName="Other"))[0]
    assert one != event_id(record(eventID="event-2"))[0]
    bare, derived = event_id(record(eventID=...))
    assert derived
    assert bare == event_id(dict(reversed(record(eventID=...).items())))[0]
    assert bare != event_id(record(eventID=..., eventName="Other"))[0]
    # Stored ids: they must stay what they are in every version.
    assert str(one) == "b162d6a8-4b80-588b-b703-0b729cdca6d5"


def test_long_values_are_cut_and_stay_different() -> None:
    long = "x" * 5000
    event = to_event(
        record(
            eventName=long,
            awsRegion=long,
            recipientAccountId=long,
            requestID=long,
            errorCode=long,
            errorMessage=long,
            userIdentity={"type": long, "arn": long},
            resources=[{"type": long, "ARN": long}],
        )
    )
    validate(event)
    limits = {
        "event_type": 100,
        "event_action": 50,
        "correlation_id": 255,
        "actor_type": 50,
        "actor_id": 255,
        "resource_type": 50,
        "resource_id": 255,
        "namespace": 253,
        "cluster_name": 255,
        "error_code": 50,
        "error_message": 4096,
    }
    assert {k: len(event[k]) for k in limits} == limits
    assert event["event_action"] == "x" * 41 + "~" + event["event_action"][-8:]
    assert event["error_message"] == "x" * 4095 + "…"
    assert to_event(record(eventName=long + "y"))["event_action"] != event["event_action"]
    exact = to_event(record(eventName="y" * 50, errorMessage="m" * 4096))
    assert (exact["event_action"], exact["error_message"]) == ("y" * 50, "m" * 4096)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"eventName": ...}, "is not a CloudTrail record: eventName is missing"),
        ({"eventSource": 5}, "eventSource is missing"),
        ({"eventTime": ...}, "eventTime is missing"),
        ({"eventTime": "yesterday"}, "eventTime is not an RFC 3339 time"),
        ({"eventTime": "2023-07-10T11:42:18"}, "eventTime is not an RFC 3339 time"),
        ({"eventTime": "9999-12-31T23:59:59Z"}, "out of the calendar"),
        ({"eventID": ..., "x": "\ud800"}, "JSON cannot carry"),
    ],
)
def test_what_is_no_record(members: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        to_event(record(**members), shift=timedelta(days=1))


def events_of(records: list[Any]) -> list[dict[str, Any]]:
    """The events of records, each found right and whole."""
    events = [to_event(r) for r in records]
    assert len({e["event_id"] for e in events}) == len(records)
    assert not any(event_id(r)[1] for r in records)
    for given, event in zip(records, events, strict=True):
        assert jsonvalue.compact(validate(event).event_data and event["event_data"]) == jsonvalue.compact(given)
        assert "~" not in event["event_type"] + event["event_action"] + event["actor_id"] + event["resource_id"]
    return events


def test_some_of_the_real_records() -> None:
    events = events_of([r.value for r in itertools.islice(read_records(str(CORPUS)), 0, None, 19)])
    assert len(events) == 120
    assert {e["actor_type"] for e in events} == {"IAMUser", "AWSService", "AssumedRole"}


@pytest.mark.nightly
def test_the_real_records() -> None:
    events = events_of([r.value for r in read_records(str(CORPUS))])
    assert len(events) == 2274
    assert Counter(e["event_outcome"] for e in events) == {"success": 2033, "failure": 241}
    assert Counter(e["actor_type"] for e in events) == {"IAMUser": 2147, "AWSService": 65, "AssumedRole": 62}
    actors = Counter(e["actor_id"] for e in events)
    assert (actors["bert-jan"], actors["benjamin"], actors["unknown"]) == (2048, 99, 0)
    assert sum("actor_ip" in e for e in events) == 1979


def test_numbers_of_the_record_survive() -> None:
    given = record(requestParameters={"big": Decimal("123456789012345678901234567890"), "exact": Decimal("0.10")})
    sent = jsonvalue.compact(to_event(given))
    assert b'{"big":123456789012345678901234567890,"exact":0.10}' in sent
