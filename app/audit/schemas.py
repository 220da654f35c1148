"""What an audit request may hold: the members of events and notifications, their types, lengths and defaults."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import EXCLUDE, Schema

from app.audit.event import CHANNELS, NOTIFICATION_STATUSES, OUTCOMES
from app.validation.fields import Address, Choice, Data, Flag, Identifier, Moment, Text, Whole

_INT4_MAX = 2**31 - 1


class AuditEventSchema(Schema):
    """POST /api/v1/audit/events: the members of an event, their types, lengths and defaults."""

    class Meta:
        unknown = EXCLUDE

    version = Text(1, 20, required=True)
    event_type = Text(1, 100, required=True)
    event_timestamp = Moment(required=True)
    event_category = Choice((), required=True)  # the values come from the settings: see with_categories
    event_action = Text(1, 50, required=True)
    event_outcome = Choice(OUTCOMES, required=True)
    correlation_id = Text(1, 255, required=True)
    event_data = Data(required=True)
    actor_type = Text(0, 50)
    actor_id = Text(0, 255)
    resource_type = Text(0, 50)
    resource_id = Text(0, 255)
    parent_event_id = Identifier(allow_none=True, load_default=None)
    namespace = Text(0, 253, allow_none=True, load_default=None)
    cluster_name = Text(0, 255, allow_none=True, load_default=None)
    severity = Text(0, 20, allow_none=True, load_default="info")
    duration_ms = Whole(0, _INT4_MAX, allow_none=True, load_default=None)
    event_id = Identifier()
    trace_id = Text(0, 255, allow_none=True, load_default=None)
    span_id = Text(0, 255, allow_none=True, load_default=None)
    actor_ip = Address(allow_none=True, load_default=None)
    error_code = Text(0, 50, allow_none=True, load_default=None)
    error_message = Text(0, 4096, allow_none=True, load_default=None)
    is_sensitive = Flag(load_default=False)
    retention_days = Whole(1, 2555, load_default=2555)

    @classmethod
    def with_categories(cls, categories: Sequence[str]) -> AuditEventSchema:
        """The schema with the configured values of event_category."""
        made = cls.from_dict({"event_category": Choice(categories, required=True)}, name="AuditEvent")
        schema = made(unknown=EXCLUDE)
        assert isinstance(schema, AuditEventSchema)  # noqa: S101 - from_dict subclasses cls
        return schema


class NotificationSchema(Schema):
    """POST /api/v1/audit/notifications: the members of a notification record."""

    class Meta:
        unknown = EXCLUDE

    remediation_id = Text(1, 255, blank=False, required=True)
    notification_id = Text(1, 255, blank=False, required=True)
    recipient = Text(1, 500, required=True)
    channel = Choice(CHANNELS, required=True)
    message_summary = Text(1, 1000, required=True)
    status = Choice(NOTIFICATION_STATUSES, required=True)
    sent_at = Moment(required=True)
    delivery_status = Text(0, 255, allow_none=True, load_default=None)
    error_message = Text(0, 1000, allow_none=True, load_default=None)
    escalation_level = Whole(0, 5, load_default=0)


EVENT_FIELDS = tuple(AuditEventSchema._declared_fields)
NOTIFICATION_FIELDS = tuple(NotificationSchema._declared_fields)
