from __future__ import annotations

from uuid import UUID

from datastorage_common.uuids import parse_uuid

from tests.unit.fakes import UUID_1


def test_uuid_texts() -> None:
    assert parse_uuid(UUID_1.upper()) == UUID(UUID_1)
    for text in (UUID_1.replace("-", ""), UUID_1 + " ", "{" + UUID_1 + "}", 5, None):
        assert parse_uuid(text) is None
