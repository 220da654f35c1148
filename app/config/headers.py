"""A file of HTTP headers that another server wants to see, one a line."""

from __future__ import annotations

import re

from datastorage_common.files import ReadError, as_text, read_whole

_MAX_FILE_BYTES = 64 * 1024
# RFC 9110, section 5: a token, and visible characters with spaces between.
_LINE = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")


def read_headers(path: str) -> dict[str, str]:
    """Name and value of each line ``Name: value``; empty lines are passed over.

    Raises ValueError, whose text holds nothing of a value.
    """
    try:
        text = read_whole(path, _MAX_FILE_BYTES).decode("ascii")
    except ReadError as e:
        raise ValueError(str(e)) from None
    except UnicodeDecodeError:
        raise ValueError(f"{as_text(path)}: is not ASCII") from None
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise ValueError(f"{as_text(path)}: line {number} is not a header such as Authorization: Bearer …")
        headers[found["name"]] = found["value"]
    return headers
