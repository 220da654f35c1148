"""A typed client of the Data Storage Service, and a buffered store for audit events.

`DataStorageClient` and `AsyncDataStorageClient` speak to the service and raise its problems as exceptions.
`BufferedAuditStore` writes audit events from the background, through outages. `datastorage_client.models` has the
types of the API.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported when they are used: `datastorage serve` needs no HTTP client.
if TYPE_CHECKING:
    from datastorage_client.aio import AsyncDataStorageClient
    from datastorage_client.arguments import EventFilters, NotificationFilters, WorkflowFilters
    from datastorage_client.buffered import BufferedAuditStore, Stats, StoreClosedError, block, drop_new, spool
    from datastorage_client.client import DataStorageClient
    from datastorage_client.export import AsyncExport, Export, ExportFilters
    from datastorage_client.feed import AsyncFeedFollower, FeedFollower, FeedItem, FeedOptions, FeedPage
    from datastorage_client.ids import uuid7
    from datastorage_client.problems import (
        PROBLEMS,
        BatchSizeExceededError,
        BrokenOffError,
        BufferFullError,
        ConflictError,
        ConnectionFailedError,
        DataStorageError,
        DLQFullError,
        ExpectationFailedError,
        ExpiredError,
        FeedExpiredError,
        FeedRestartedError,
        ForbiddenError,
        HeadersTooLargeError,
        HTTPVersionNotSupportedError,
        ImmutableFieldError,
        InternalError,
        InvalidEventDataError,
        InvalidRequestError,
        LogInconsistentError,
        MethodNotAllowedError,
        NotFoundError,
        ProblemError,
        RateLimitError,
        RequestTimeoutError,
        RequestTooLargeError,
        UnauthorizedError,
        UnavailableError,
        UnsupportedEncodingError,
        UnsupportedTransferCodingError,
        ValidationError,
    )
    from datastorage_client.retry import Backoff
    from datastorage_client.transport import UnexpectedAnswerError

__all__ = [
    "PROBLEMS",
    "AsyncDataStorageClient",
    "AsyncExport",
    "AsyncFeedFollower",
    "Backoff",
    "BatchSizeExceededError",
    "BrokenOffError",
    "BufferFullError",
    "BufferedAuditStore",
    "ConflictError",
    "ConnectionFailedError",
    "DLQFullError",
    "DataStorageClient",
    "DataStorageError",
    "EventFilters",
    "ExpectationFailedError",
    "ExpiredError",
    "Export",
    "ExportFilters",
    "FeedExpiredError",
    "FeedFollower",
    "FeedItem",
    "FeedOptions",
    "FeedPage",
    "FeedRestartedError",
    "ForbiddenError",
    "HTTPVersionNotSupportedError",
    "HeadersTooLargeError",
    "ImmutableFieldError",
    "InternalError",
    "InvalidEventDataError",
    "InvalidRequestError",
    "LogInconsistentError",
    "MethodNotAllowedError",
    "NotFoundError",
    "NotificationFilters",
    "ProblemError",
    "RateLimitError",
    "RequestTimeoutError",
    "RequestTooLargeError",
    "Stats",
    "StoreClosedError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnsupportedEncodingError",
    "UnsupportedTransferCodingError",
    "ValidationError",
    "WorkflowFilters",
    "block",
    "drop_new",
    "spool",
    "uuid7",
]

_OTHER_MODULES = {
    "AsyncDataStorageClient": "aio",
    "AsyncExport": "export",
    "AsyncFeedFollower": "feed",
    "Backoff": "retry",
    "BufferedAuditStore": "buffered",
    "DataStorageClient": "client",
    "EventFilters": "arguments",
    "Export": "export",
    "ExportFilters": "export",
    "FeedFollower": "feed",
    "FeedItem": "feed",
    "FeedOptions": "feed",
    "FeedPage": "feed",
    "NotificationFilters": "arguments",
    "Stats": "buffered",
    "StoreClosedError": "buffered",
    "UnexpectedAnswerError": "transport",
    "WorkflowFilters": "arguments",
    "block": "buffered",
    "drop_new": "buffered",
    "spool": "buffered",
    "uuid7": "ids",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_OTHER_MODULES.get(name, 'problems')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
