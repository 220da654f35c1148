"""Notification records go in, come out, and are refused the second time."""

from __future__ import annotations

from tests.e2e.deployment.conftest import Deployment, own
from tests.support import notification

NOTIFICATIONS = "/api/v1/audit/notifications"


def test_a_notification_goes_in_and_comes_out(deployment: Deployment) -> None:
    sent = notification(remediation_id=own("remediation"), notification_id=own("notification"), escalation_level=2)
    answer = deployment.request("POST", NOTIFICATIONS, sent)
    assert answer.status == 201, answer.body
    [found] = deployment.get(NOTIFICATIONS, remediation_id=sent["remediation_id"])["data"]
    assert (found["id"], found["escalation_level"]) == (answer.json["id"], 2)
    again = deployment.request("POST", NOTIFICATIONS, sent)
    assert (again.status, again.json["identical"]) == (409, True)


def test_every_wrong_field_is_named(deployment: Deployment) -> None:
    answer = deployment.request("POST", NOTIFICATIONS, notification(channel="pigeon", status=..., recipient=""))
    assert answer.status == 400
    assert answer.json["field_errors"].keys() == {"channel", "status", "recipient"}
