"""`datastorage export --evidence`: the stream of an export made into a bundle that others can check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.exports.rows import Lines
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.progress import Flow
from datastorage_client.evidence import About, Stream, Written, write_evidence
from datastorage_client.problems import BrokenOffError
from datastorage_client.verify.trust import Trust

_PLACES = ("after", "before")
_WORDS = {"records": "{:,} records", "waiting": "waiting until the log has signed the export", "proven": "{:,} proven"}


class _Source:
    """The lines of one answer, and what is known of it behind them."""

    def __init__(self, client: HTTPClient, query: Mapping[str, str]) -> None:
        self._client = client
        self._query = {**query, "format": "ndjson", "salts": "true"}
        self._about: About | None = None

    def lines(self) -> Iterator[bytes]:
        """Raises ServiceError."""
        digest, size, count, form = sha256(), 0, 0, Lines()
        try:
            with self._client.export(self._query) as export:
                if export.range is None:
                    raise ServiceError(
                        "evidence takes a reader without limits: the service does not say where records are"
                    )
                for block in export:
                    rows = form.cut(block)
                    digest.update(rows)
                    size += len(rows)
                    found = rows.splitlines()
                    count += len(found)
                    yield from found
        except BrokenOffError as e:
            raise ServiceError(f"{e}; run it again: evidence is made of an export that is whole") from e
        if form.left():
            raise ServiceError("the service ended an export in the middle of a row")
        stream = Stream(
            request_id=export.request_id or "", records=count, bytes=size, sha256=digest.hexdigest(), whole=True
        )
        asked = {name: text for name, text in self._query.items() if name not in _PLACES}
        self._about = About(
            query=asked, range=export.range, principal=export.principal, end=export.before, streams=[stream]
        )

    def about(self) -> About:
        """To be asked behind the last line."""
        assert self._about is not None  # noqa: S101 - the lines have ended
        return self._about


def write(
    client: HTTPClient, query: Mapping[str, str], path: Path, trust: Trust, flow: Flow, *, force: bool
) -> Written:
    """Raises ServiceError, DataStorageError, OSError; FileExistsError where something is there, without ``force``."""
    source = _Source(client, query)

    def show(what: str, done: int) -> None:
        flow.show(lambda _: _WORDS.get(what, what).format(done))

    return write_evidence(path, source.lines(), client.fetch, trust, source.about, show, replace=force)
