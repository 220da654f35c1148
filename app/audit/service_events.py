"""The events about the service itself: whom it refused, and what of it was started, stopped and changed."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid5

import orjson
from datastorage_common.times import rfc3339

from app.audit.event import AuditEvent
from app.audit.own_events import ADMIN, AUTH, Caller, OwnEvents, canonical_address
from app.audit.refusals import Sums
from app.auth.principal import CredentialChange
from app.auth.refusal import Refusal
from app.config.settings import Settings
from app.instance import Run
from app.telemetry.trace import is_request_id

# Of names that came or went in a file, an event lists so many at the most.
_MAX_NAMES = 100


class ServiceEvents:
    """Makes these events, each of them under the name of this instance."""

    def __init__(self, own: OwnEvents) -> None:
        self._own = own
        self._instance = socket.gethostname()[:255]

    def _of_service(self, action: str, data: Mapping[str, Any], category: str = ADMIN, **members: Any) -> AuditEvent:
        return self._own.make(
            **{
                "event_category": category,
                "event_type": f"{category}.{action}",
                "event_action": action,
                "correlation_id": self._instance,
                "resource_type": "Service",
                "resource_id": self._instance,
                "event_data": {"instance": self._instance, **data},
                **members,
            }
        )

    def started(self, settings: Settings, run: Run) -> AuditEvent:
        """The service was started. The same event, id and all, in whichever worker it is made: stored once."""
        digest, changed = settings_mark(settings)
        data = {
            "run": str(run.ident),
            "release": version("datastorage"),
            "settings_sha256": digest,
            "settings_changed": changed,
        }
        return self._of_service("started", data, event_id=run.ident, at=run.began)

    def stopped(self, run: Run) -> AuditEvent:
        """The service stops in order. Where this is missing before the next start, it was killed."""
        return self._of_service("stopped", {"run": str(run.ident), "release": version("datastorage")})

    def migrated(self, names: Sequence[str], role: str) -> AuditEvent:
        """Migrations were applied by a role of the database."""
        data = {"migrations": list(names), "release": version("datastorage"), "role": role}
        return self._of_service("migrated", data, actor_id=role, resource_type="Schema")

    def intake_finished(self, act: UUID, taken: int, role: str) -> AuditEvent:
        """A role of the database said that the log has all records from before it."""
        data = {"act_id": str(act), "taken": taken, "release": version("datastorage"), "role": role}
        return self._of_service("log_intake_finished", data, actor_id=role, resource_type="Log", resource_id=str(act))

    def log_remembered(
        self, tree: Mapping[str, Any], memories: Sequence[str], without: Sequence[str], outcome: str, role: str
    ) -> AuditEvent:
        """Somebody accepted that memories of the log are empty: they are to be filled with this tree, or were.

        ``tree``: origin, size and root. ``without``: memories that were said to be lost for good.
        """
        data = {**tree, "memories": list(memories), "role": role, **({"without": list(without)} if without else {})}
        return self._of_service(
            "log_remembered",
            {**data, "release": version("datastorage")},
            actor_id=role,
            event_outcome=outcome,
            resource_type="Log",
            resource_id=tree["origin"],
        )

    def log_memory_moved(self, act: UUID, name: str, memory: str, held: Mapping[str, Any], role: str) -> AuditEvent:
        """A memory is about to be moved to the new name of the log; the act of that does not tell what it held."""
        data = {"act_id": str(act), "new_origin": name, "memory": memory, "held": dict(held), "role": role}
        return self._of_service(
            "log_memory_moved",
            {**data, "release": version("datastorage")},
            actor_id=role,
            severity="warning",
            event_outcome="pending",
            resource_type="Log",
            resource_id=name,
        )

    def log_new_origin(self, act: UUID, details: Mapping[str, Any], role: str) -> AuditEvent:
        """A role of the database had the log go on under another name; ``details`` as the act has them."""
        data = {"act_id": str(act), **details, "release": version("datastorage"), "role": role}
        return self._of_service(
            "log_new_origin",
            data,
            actor_id=role,
            severity="warning",
            resource_type="Log",
            resource_id=details["new_origin"],
        )

    def credentials_changed(self, change: CredentialChange, at: datetime, run: Run | None) -> AuditEvent:
        """Another content of a file of tokens or keys is in force: whose came, went or changed, never what they are.

        Made by each worker that sees it, and stored once: what is the same in all of them makes the id.
        """
        before, after = change.before, change.after
        both = before.keys() & after.keys()
        data: dict[str, Any] = {
            "file": change.path,
            "sha256_before": change.sha256_before,
            "sha256_after": change.sha256_after,
            **_names("added", after.keys() - before.keys()),
            **_names("removed", before.keys() - after.keys()),
            **_names("changed", {name for name in both if before[name] != after[name]}),
        }
        ident = None if run is None else uuid5(run.ident, repr((at, data)))
        return self._of_service(
            "credentials_changed",
            data,
            event_id=ident,
            at=at,
            resource_type="CredentialFile",
            resource_id=change.path[-255:],
        )

    def refused(self, sums: Sums, until: datetime) -> AuditEvent:
        """Callers were refused; one event for all since the last."""
        reasons: Counter[str] = Counter()
        for refusal, count in sums.counts.items():
            reasons[refusal.reason] += count
        # One alone is found by the id of its request, as what a request wrote is.
        alone = next(iter(sums.first.values())) if sums.total == 1 else None
        return self._of_service(
            "refused",
            {
                "until": rfc3339(until),
                "refused": sums.total,
                "by_reason": dict(reasons),
                "callers": [_refused(refusal, count, sums.first) for refusal, count in sums.counts.most_common()],
                "others": sums.others,
            },
            AUTH,
            event_outcome="failure",
            severity="warning",
            request_id=alone,
            **_actor(sums),
        )

    def dead_letter(self, caller: Caller, verb: str, letter: Mapping[str, Any]) -> AuditEvent:
        """A dead letter is about to be replayed or deleted by the caller."""
        entry = letter["entry"]
        payload = entry.get("payload") if isinstance(entry, dict) else None
        members = payload if isinstance(payload, dict) else {}
        record = str(members.get("event_id") or members.get("notification_id") or "")[:255]
        brought_by = entry.get("request_id") if isinstance(entry, dict) else None
        return self._own.of_caller(
            caller,
            event_category=ADMIN,
            event_type=f"{ADMIN}.dead_letter_{verb}",
            event_action=f"dead_letter_{verb}",
            event_outcome="pending",
            resource_type="DeadLetter",
            resource_id=letter["id"],
            event_data={
                "record": record,
                # Of the request that brought the record; the one that replays or deletes it is request_id.
                "record_request_id": brought_by if is_request_id(brought_by) else None,
                "reason": str(letter.get("reason", ""))[:1000],
            },
        )


def _refused(refusal: Refusal, count: int, first: Mapping[Refusal, str]) -> dict[str, Any]:
    """Who was refused what and how often, and the id of the request if it was one."""
    told: dict[str, Any] = {**refusal._asdict(), "count": count}
    if refusal.required_scope is None:
        del told["required_scope"]
    if count == 1:
        told["request_id"] = first[refusal]
    return told


def _actor(sums: Sums) -> dict[str, str | None]:
    """The members that name a caller, where it is one alone: then it can be looked for by its name."""
    known = {(refusal.principal, refusal.address) for refusal in sums.counts}
    if len(known) > 1 or sums.others:
        return {}
    [(principal, address)] = known
    return {"actor_id": principal or "anonymous", "actor_ip": canonical_address(address)}


def _names(what: str, names: set[str]) -> dict[str, Any]:
    """Names under a member, and how many more there are."""
    listed = sorted(names)
    more = {f"{what}_more": len(listed) - _MAX_NAMES} if len(listed) > _MAX_NAMES else {}
    return {what: listed[:_MAX_NAMES], **more}


def settings_mark(settings: Settings) -> tuple[str, list[str]]:
    """SHA-256 of all settings without their secrets, and the keys of those that are not the default."""
    digest = hashlib.sha256(orjson.dumps(settings.masked(), option=orjson.OPT_SORT_KEYS)).hexdigest()
    changed = [
        f"{section}.{f.name}"
        for section, cls in settings.SECTIONS.items()
        for f in dataclasses.fields(cls)
        if getattr(getattr(settings, section), f.name) != f.default
    ]
    return digest, changed
