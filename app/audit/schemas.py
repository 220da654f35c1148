"""What an audit request may hold: the members of events and notifications, their types, lengths and defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError

from app.audit.event import CHANNELS, NOTIFICATION_STATUSES, OUTCOMES
from app.config.values import ANY_CATEGORY, MAX_CATEGORY
from app.validation.field_errors import FieldMessage
from app.validation.fields import Address, Choice, Data, Flag, Identifier, Moment, Text, Whole

_INT4_MAX = 2**31 - 1
_CATEGORY_RULE = f"must be 1 to {MAX_CATEGORY} characters of a-z, 0-9, '.', '_' or '-', and start with a letter"


class Category(Text):
    """An event_category: any name of the form that is asked for, or one of a list, or one of the service's own.

    ``allowed``: `ANY_CATEGORY` or the list.
    """

    ANY = "[a-z][a-z0-9._-]*"
    # What the service records of itself, whatever the list.
    OWN = r"datastorage\.[a-z0-9._-]+"

    def __init__(self, allowed: Sequence[str], **kwargs: Any) -> None:
        super().__init__(1, MAX_CATEGORY, **kwargs)
        self.pattern, self._rule = self.ANY, _CATEGORY_RULE
        if tuple(allowed) != ANY_CATEGORY:
            self.pattern = "|".join((*map(re.escape, allowed), self.OWN))
            self._rule = f"must be one of: {', '.join(allowed)} (the service's audit.event_categories)"
        matches = re.compile(self.pattern).fullmatch
        # Asked for every event: a pattern in msgspec costs six times as much. Most clients have a few categories.
        self.takes: Callable[[str], bool] = lru_cache(256)(lambda text: matches(text) is not None)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not self.takes(text):
            raise ValidationError(FieldMessage(self._rule, "invalid"))
        return text


class AuditEventSchema(Schema):
    """POST /api/v1/audit/events: the members of an event, their types, lengths and defaults."""

    class Meta:
        unknown = EXCLUDE

    version = Text(1, 20, required=True)
    event_type = Text(1, 100, required=True)
    event_timestamp = Moment(required=True)
    event_category: Text = Category(ANY_CATEGORY, required=True)  # the settings may close it: see with_category
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
    def with_category(cls, category: Text) -> AuditEventSchema:
        """The schema with another field for event_category."""
        made = cls.from_dict({"event_category": category}, name="AuditEvent")
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
