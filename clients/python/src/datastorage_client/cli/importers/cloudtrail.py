"""One CloudTrail record → one audit event. The table is in docs/import-cloudtrail.md.

A record maps to the same event however often and wherever it is imported, so that the service recognises what it
has: nothing here depends on the time, the order of the record's members or the rest of the file.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339, rfc3339
from datastorage_common.uuids import parse_uuid

VERSION = "1.0"
# Of ids that are derived for records whose eventID is no UUID. Never change it: ids would change with it.
_NAMESPACE = UUID("5f0c1c7e-3d0b-5a51-9d6c-0c6f6f1b8a11")

# Where the caller's id is, by userIdentity.type, best first. IAM users have their plain name here, since some
# records carry no ARN for them; their account is the event's namespace.
_ACTOR_IDS: dict[str, tuple[str, ...]] = {
    "IAMUser": ("userName", "arn", "principalId"),
    "AWSService": ("invokedBy", "principalId"),
    "AWSAccount": ("accountId", "principalId"),
    "WebIdentityUser": ("principalId", "userName", "identityProvider"),
    "SAMLUser": ("principalId", "userName", "identityProvider"),
}
_OTHER_ACTOR_IDS = ("arn", "principalId", "userName", "accountId", "credentialId", "invokedBy")

# Request parameters that name what was acted on, best first, with the kind that it is of. Explicit, since many
# parameters end in Id or Name that name something else (clientRequestToken, roleSessionName, accountId).
_REQUEST_RESOURCES: tuple[tuple[str, str], ...] = (
    ("bucketName", "bucket"),
    ("secretId", "secret"),
    ("functionName", "function"),
    ("dBSnapshotIdentifier", "snapshot"),
    ("dBInstanceIdentifier", "instance"),
    ("dBClusterIdentifier", "cluster"),
    ("dBSubnetGroupName", "subnet-group"),
    ("instanceProfileName", "instance-profile"),
    ("roleName", "role"),
    ("userName", "user"),
    ("groupName", "group"),
    ("policyArn", "policy"),
    ("keyId", "key"),
    ("trailName", "trail"),
    ("trustAnchorId", "trust-anchor"),
    ("profileId", "profile"),
    ("detectorId", "detector"),
    ("tableName", "table"),
    ("queueUrl", "queue"),
    ("topicArn", "topic"),
    ("stackName", "stack"),
    ("clusterName", "cluster"),
    ("repositoryName", "repository"),
    ("logGroupName", "log-group"),
    ("hostedZoneId", "hosted-zone"),
    ("associationId", "association"),
    ("allocationId", "elastic-ip"),
    ("natGatewayId", "natgateway"),
    ("internetGatewayId", "internet-gateway"),
    ("routeTableId", "route-table"),
    ("networkAclId", "network-acl"),
    ("networkInterfaceId", "network-interface"),
    ("snapshotId", "snapshot"),
    ("volumeId", "volume"),
    ("imageId", "image"),
    ("instanceId", "instance"),
    ("groupId", "security-group"),
    ("subnetId", "subnet"),
    ("vpcId", "vpc"),
    ("roleArn", "role"),
    ("resourceArn", ""),
    ("resourceName", ""),
    ("resourceId", ""),
    ("name", ""),
)


class MappingError(Exception):
    """A record that cannot be made an event; the message says which member is missing or wrong."""


def to_event(
    record: Mapping[str, Any], *, category: str = "gateway", shift: timedelta = timedelta(0)
) -> dict[str, Any]:
    """The request body for POST /api/v1/audit/events; its event_data is the record itself.

    ``shift`` is added to event_timestamp and to nothing else. Raises MappingError.
    """
    source, name = _required(record, "eventSource"), _required(record, "eventName")
    service = source.removesuffix(".cn").removesuffix(".amazonaws.com")
    try:
        moment = event_time(record) + shift
    except OverflowError:
        raise MappingError("the shift moves eventTime out of the calendar") from None
    ident = str(event_id(record)[0])
    actor_type, actor_id = _actor(_object(record, "userIdentity"))
    resource_type, resource_id = _resource(record, service, source)
    correlation = _text(record, "requestID") or _text(record, "sharedEventID") or _text(record, "eventID") or ident
    optional = {
        "namespace": _fit(_account(record), 253),
        "cluster_name": _fit(_text(record, "awsRegion"), 255),
        "actor_ip": _address(_text(record, "sourceIPAddress")),
        "error_code": _fit(_text(record, "errorCode"), 50),
        "error_message": _clip(_text(record, "errorMessage"), 4096),
    }
    return {
        "version": VERSION,
        "event_id": ident,
        "event_type": _fit(f"aws.{service}.{name}", 100),
        "event_timestamp": rfc3339(moment),
        "event_category": category,
        "event_action": _fit(name, 50),
        "event_outcome": _outcome(record),
        "correlation_id": _fit(correlation, 255),
        "actor_type": _fit(actor_type, 50),
        "actor_id": _fit(actor_id, 255),
        "resource_type": _fit(resource_type, 50),
        "resource_id": _fit(resource_id, 255),
        **{member: value for member, value in optional.items() if value is not None},
        "event_data": record,
    }


def event_time(record: Mapping[str, Any]) -> datetime:
    """eventTime in UTC, unshifted. Raises MappingError."""
    moment = parse_rfc3339(_required(record, "eventTime"))
    if moment is None:
        raise MappingError("eventTime is not an RFC 3339 time")
    return moment


def event_id(record: Mapping[str, Any]) -> tuple[UUID, bool]:
    """The event's id, and whether it had to be derived because eventID is no UUID.

    A derived id is the same for the same eventID, and without any eventID for the same record. Raises MappingError
    if the record holds what JSON cannot carry.
    """
    given = _text(record, "eventID")
    found = parse_uuid(given)
    if found is not None:
        return found, False
    if given is not None:
        return uuid5(_NAMESPACE, given.encode("utf-8", "surrogatepass").hex()), True
    try:
        return uuid5(_NAMESPACE, hashlib.sha256(jsonvalue.canonical(dict(record))).hexdigest()), True
    except TypeError:
        raise MappingError("holds a number or a text that JSON cannot carry") from None


def _text(mapping: Mapping[str, Any], key: str) -> str | None:
    """The member if it is a string with something in it."""
    value = mapping.get(key)
    return value if isinstance(value, str) and value.strip() else None


def _required(record: Mapping[str, Any], key: str) -> str:
    value = _text(record, key)
    if value is None:
        raise MappingError(f"is not a CloudTrail record: {key} is missing")
    return value


def _object(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _actor(identity: dict[str, Any]) -> tuple[str, str]:
    """(actor_type, actor_id). Service events have no type, only the service that they come from."""
    kind = _text(identity, "type") or ("AWSService" if _text(identity, "invokedBy") else "Unknown")
    for key in (*_ACTOR_IDS.get(kind, ()), *_OTHER_ACTOR_IDS):
        if (ident := _text(identity, key)) is not None:
            return kind, ident
    return kind, _text(_object(identity, "onBehalfOf"), "userId") or "unknown"


def _account(record: Mapping[str, Any]) -> str | None:
    return _text(record, "recipientAccountId") or _text(_object(record, "userIdentity"), "accountId")


def _resource(record: Mapping[str, Any], service: str, source: str) -> tuple[str, str]:
    """(resource_type, resource_id): the first of ``resources``, else a request parameter, else the service itself."""
    resources = record.get("resources")
    for resource in resources if isinstance(resources, list) else []:
        if isinstance(resource, dict) and (arn := _text(resource, "ARN")) is not None:
            return _text(resource, "type") or _arn_type(arn) or service, arn
    places = list(_places(record))
    for key, kind in _REQUEST_RESOURCES:
        for place in places:
            if (ident := _text(place, key)) is not None:
                return (f"{service}:{kind}" if kind else _arn_type(ident) or service), ident
    return "service", source


def _places(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Where request parameters may be: at the top, or in the first item of an EC2 set such as ``instancesSet``.

    Items of a filterSet have names too, but of filters.
    """
    parameters = _object(record, "requestParameters")
    yield parameters
    for key in sorted(k for k in parameters if k.endswith("Set") and k != "filterSet"):
        items = _object(parameters, key).get("items")
        if isinstance(items, list) and items and isinstance(items[0], dict):
            yield items[0]


def _arn_type(arn: str) -> str | None:
    """``iam:role`` of ``arn:aws:iam::1:role/name``, ``s3`` of ``arn:aws:s3:::bucket``; None if it is no ARN."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return None
    kind, separator, _ = parts[5].replace(":", "/", 1).partition("/")
    return f"{parts[2]}:{kind}" if separator and kind else parts[2]


def _outcome(record: Mapping[str, Any]) -> str:
    """A failed sign-in has no errorCode: it says so in errorMessage and responseElements."""
    said = _object(record, "responseElements").get(str(record.get("eventName")))
    failed = _text(record, "errorCode") or _text(record, "errorMessage") or said == "Failure"
    return "failure" if failed else "success"


def _address(text: str | None) -> str | None:
    """The address if it is one; CloudTrail has service names and "AWS Internal" there as well."""
    if text is None or "%" in text:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _fit(text: str | None, limit: int) -> str | None:
    """Names and ids over the limit end in ``~`` and 8 hex digits of their SHA-256: different ones stay different."""
    if text is None or len(text) <= limit:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{text[: limit - 9]}~{mark}"


def _clip(text: str | None, limit: int) -> str | None:
    """Prose over the limit ends in an ellipsis."""
    return text if text is None or len(text) <= limit else text[: limit - 1] + "…"
