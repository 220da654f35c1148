"""A cursor comes back as it went, and no other text is one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.postgres.lists import Cursor


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)), st.uuids())
def test_cursors_come_back(moment: datetime, ident: UUID) -> None:
    cursor = Cursor(moment, str(ident))
    assert Cursor.decode(cursor.encode()) == cursor
    assert cursor.encode() == urlencode({"": cursor.encode()})[1:], "needs no escaping in a URL"


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_text_is_a_cursor_or_not(text: str) -> None:
    assert Cursor.decode(text) is None or isinstance(Cursor.decode(text), Cursor)
