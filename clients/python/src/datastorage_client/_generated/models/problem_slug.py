from enum import StrEnum


class ProblemSlug(StrEnum):
    BATCH_SIZE_EXCEEDED = "batch-size-exceeded"
    BUFFER_FULL = "buffer-full"
    CONFLICT = "conflict"
    DLQ_FULL = "dlq-full"
    EXPECTATION_FAILED = "expectation-failed"
    FORBIDDEN = "forbidden"
    IMMUTABLE_FIELD_VIOLATION = "immutable-field-violation"
    INTERNAL_ERROR = "internal-error"
    INVALID_EVENT_DATA = "invalid_event_data"
    INVALID_REQUEST = "invalid_request"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_FOUND = "not-found"
    RATE_LIMIT_EXCEEDED = "rate-limit-exceeded"
    REQUEST_HEADERS_TOO_LARGE = "request-headers-too-large"
    REQUEST_TIMEOUT = "request-timeout"
    REQUEST_TOO_LARGE = "request-too-large"
    SERVICE_UNAVAILABLE = "service-unavailable"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_TRANSFER_CODING = "unsupported-transfer-coding"
    VALIDATION_ERROR = "validation-error"

    def __str__(self) -> str:
        return str(self.value)
