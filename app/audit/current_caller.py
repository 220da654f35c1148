"""The caller of the current request, as the service's own events name it."""

from __future__ import annotations

from app.audit.own_events import Caller, canonical_address
from app.auth.authorizer import recorded_by
from app.http.request_context import client_address, request_id, route, trace_id


def current_caller() -> Caller:
    """Who asks by the current request."""
    return Caller(recorded_by(), canonical_address(client_address()), request_id(), trace_id(), route())
