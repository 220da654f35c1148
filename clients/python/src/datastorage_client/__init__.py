"""A typed client of the Data Storage Service, and a buffered store for audit events.

`DataStorageClient` and `AsyncDataStorageClient` speak to the service and raise its problems as exceptions.
`BufferedAuditStore` writes audit events from the background, through outages. `datastorage_client.models` has the
types of the API.
"""

from datastorage_client.aio import AsyncDataStorageClient
from datastorage_client.arguments import EventFilters, NotificationFilters, WorkflowFilters
from datastorage_client.buffered import BufferedAuditStore, Stats, StoreClosedError, block, drop_new, spool
from datastorage_client.client import DataStorageClient
from datastorage_client.ids import uuid7
from datastorage_client.problems import (
    PROBLEMS,
    BatchSizeExceededError,
    BufferFullError,
    ConflictError,
    ConnectionFailedError,
    DataStorageError,
    DLQFullError,
    ExpectationFailedError,
    ExpiredError,
    ForbiddenError,
    HeadersTooLargeError,
    ImmutableFieldError,
    InternalError,
    InvalidEventDataError,
    InvalidRequestError,
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
    "Backoff",
    "BatchSizeExceededError",
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
    "ForbiddenError",
    "HeadersTooLargeError",
    "ImmutableFieldError",
    "InternalError",
    "InvalidEventDataError",
    "InvalidRequestError",
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
