"""What `import datastorage_client` gives."""

from __future__ import annotations

import datastorage_client
import pytest


@pytest.mark.parametrize("name", datastorage_client.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(datastorage_client, name) is not None
    assert name in dir(datastorage_client)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = datastorage_client.nothing
