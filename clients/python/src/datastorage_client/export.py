"""The export: all records that are meant, as one stream of bytes that is either whole or broken off."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Literal, Self, cast
from urllib.parse import unquote

import httpx

from datastorage_client._generated.models import UNSET
from datastorage_client._generated.operations import export_audit_records
from datastorage_client.arguments import EventFilters, event_filters
from datastorage_client.asking import Repeat, streamed
from datastorage_client.problems import BrokenOffError, DataStorageError, cursor
from datastorage_client.texts import Text
from datastorage_client.transport import UnexpectedAnswerError, address

ExportFormat = Literal["ndjson", "csv"]
MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
_OF_NOTIFICATIONS = ("remediation_id", "channel", "status")
_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_NEXT = re.compile(r'<([^<>]+)>; *rel="next"')


class ExportFilters(EventFilters, total=False):
    """Filters of events; with ``kinds="notification"`` those of notification records, ``since`` and ``until`` too."""

    remediation_id: str
    channel: str
    status: str


def export_request(
    form: str,
    kinds: str | Iterable[str] | None,
    salts: bool,
    after: str | None,
    before: str | None,
    filters: ExportFilters,
) -> dict[str, Any]:
    """What httpx is asked for. Raises TypeError for what is no filter, ValueError for what is no format."""
    if form not in MEDIA_TYPES:
        raise ValueError(f"format is one of: {', '.join(MEDIA_TYPES)}")
    own = {name: Text(value) for name, value in filters.items() if name in _OF_NOTIFICATIONS}
    others = cast("EventFilters", {name: value for name, value in filters.items() if name not in own})
    asked = export_audit_records.request(
        format_=cast("Any", Text(form)),
        kinds=UNSET if kinds is None else kinds if isinstance(kinds, str) else ",".join(kinds),
        salts=True if salts else UNSET,
        after=UNSET if after is None else after,
        before=UNSET if before is None else before,
        **cast("dict[str, Any]", own),
        **event_filters(others, "format", "kinds", "salts", "after", "before", *_OF_NOTIFICATIONS),
    )
    return {**asked, "headers": {"Accept": MEDIA_TYPES[form]}, "extensions": Repeat.ALWAYS.extension | streamed()}


class _Told:
    """What the service says of an export before its first byte. There once the export is entered."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._response: httpx.Response | None = None

    @property
    def response(self) -> httpx.Response:
        """The answer. Raises ValueError outside of the `with` of the export."""
        if self._response is None:
            raise ValueError("an export is used in a with statement")
        return self._response

    @property
    def before(self) -> str:
        """The cursor where it ends: given as ``before`` when it goes on, both parts are what one would have been."""
        return str(self.response.headers["Datastorage-Export-Before"])

    @property
    def next_feed(self) -> str | None:
        """The address of the feed behind this export."""
        found = _NEXT.search(self.response.headers.get("Link", ""))
        return None if found is None else found[1]

    @property
    def range(self) -> tuple[int, int] | None:
        """The entries of the log that it looks through, first and stop; None for readers with limits."""
        found = _RANGE.fullmatch(self.response.headers.get("Datastorage-Log-Range", ""))
        return None if found is None else (int(found[1]), int(found[2]))

    @property
    def principal(self) -> str | None:
        """Whom the service took the caller for; None where it asks nobody."""
        found = self._header("Datastorage-Principal")
        return None if found is None else unquote(found)

    @property
    def request_id(self) -> str | None:
        """By it the service's own events of this export are found: it is their ``request_id``."""
        return self._header("X-Request-ID")

    def _header(self, name: str) -> str | None:
        value: str | None = self.response.headers.get(name)
        return value

    def _begin(self, response: httpx.Response) -> None:
        if cursor(response.headers.get("Datastorage-Export-Before")) is None:
            raise UnexpectedAnswerError(f"{address(response.url)}: the answer does not say where the export ends")
        self._response = response

    def _broken(self, error: httpx.HTTPError) -> DataStorageError:
        """An error of httpx while the body comes as one of the client."""
        where = address(self.response.url)
        if isinstance(error, httpx.DecodingError):
            return UnexpectedAnswerError(f"{where}: what came is not what was sent: {error}")
        if isinstance(error, httpx.TimeoutException):
            seconds = self.response.request.extensions["timeout"]["read"]
            return BrokenOffError(f"{where}: the export broke off: nothing came for {seconds:g} s")
        return BrokenOffError(f"{where}: the export broke off: {str(error) or type(error).__name__}")


class Export(_Told):
    """An export as it comes: ``with client.export() as export: for part in export: …``, once.

    A part is bytes of any number, a row may begin in one and end in the next. Each wait for the next bytes has the
    timeout of the client, the whole has none. Before the first byte it is tried again as every read, and raises what
    these raise. Then: BrokenOffError where it ends before its end, after which ``after`` (the last whole row) and
    ``before`` of another export go on; UnexpectedAnswerError where what came is not what was sent.
    """

    def __init__(self, http: httpx.Client, request: dict[str, Any]) -> None:
        super().__init__(request)
        self._http = http

    def __enter__(self) -> Self:
        response = self._http.send(self._http.build_request(**self._request), stream=True)
        try:
            self._begin(response)
        except UnexpectedAnswerError:
            response.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.response.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts()

    def _parts(self) -> Generator[bytes]:
        try:
            yield from self.response.iter_raw()
        except httpx.HTTPError as e:
            raise self._broken(e) from e


class AsyncExport(_Told):
    """As `Export`, for asyncio: ``async with``, ``async for``."""

    def __init__(self, http: httpx.AsyncClient, request: dict[str, Any]) -> None:
        super().__init__(request)
        self._http = http

    async def __aenter__(self) -> Self:
        response = await self._http.send(self._http.build_request(**self._request), stream=True)
        try:
            self._begin(response)
        except UnexpectedAnswerError:
            await response.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.response.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts()

    async def _parts(self) -> AsyncGenerator[bytes]:
        try:
            async for part in self.response.aiter_raw():
                yield part
        except httpx.HTTPError as e:
            raise self._broken(e) from e
