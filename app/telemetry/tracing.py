"""Traces: spans of requests, flushes and replays, sent over OTLP/HTTP in the background.

The one module that knows OpenTelemetry. It is imported where ``tracing.endpoint`` is set, and nowhere else.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.util.types import AttributeValue

from app.config.headers import read_headers
from app.config.settings import TracingSettings
from app.telemetry.trace import TraceContext, current_span, current_trace, parse_traceparent

log = logging.getLogger(__name__)

Attribute = AttributeValue

# Spans that wait to be sent at the most, some 2 MiB; what comes beyond that is dropped.
_MAX_WAITING = 2048
_MAX_BATCH = 512
_SEND_EVERY_MS = 1000.0
_SEND_TIMEOUT_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0
_STOP_SECONDS = 3.0
# What OpenTelemetry allows a span.
_MAX_LINKS = 128
# Where an address names no path, spans go where OTLP has them.
_DEFAULT_PATH = "/v1/traces"
# Of the flags of a traceparent, which begin at this character: whether the caller's span is recorded.
_FLAGS_AT, _SAMPLED = 53, 1


class Tracing:
    """Begins and ends spans. Making it starts nothing; nothing here waits for the collector."""

    def __init__(self, settings: TracingSettings) -> None:
        self._settings = settings
        self._headers = {} if settings.headers_file is None else read_headers(settings.headers_file)
        self._provider: TracerProvider | None = None
        self._tracer: api.Tracer = api.NoOpTracer()

    def start(self) -> None:
        """Start the thread that sends; in the process that needs it, after the fork."""
        # What it says of each batch that fails, `_Exporter` says once a minute.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        s = self._settings
        exporter = OTLPSpanExporter(_full(str(s.endpoint)), headers=self._headers, timeout=_SEND_TIMEOUT_SECONDS)
        resource = Resource.create(
            {
                "service.name": s.service_name,
                "service.version": version("datastorage"),
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
            }
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # what is not to be recorded has no span
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=_MAX_LINKS),
        )
        self._provider.add_span_processor(_Processor(exporter))
        self._tracer = self._provider.get_tracer("datastorage", version("datastorage"))

    def stop(self) -> None:
        """Send what waits, for a few seconds at the most."""
        if self._provider is None:
            return
        # OpenTelemetry's own limit is 30 s, and one for the request that is on its way beside it.
        thread = threading.Thread(target=self._provider.shutdown, name="tracing-stop", daemon=True)
        thread.start()
        thread.join(_STOP_SECONDS)
        self._provider = None

    def begin_request(self, method: str, route: str | None, traceparent: str | None) -> api.Span | None:
        """The span of the request that this thread serves; None for one that is not recorded.

        That is decided by the caller's flag, or else by the ratio, here: OpenTelemetry would make a span to find out.
        The log and the request's events are of its trace from here on.
        """
        parent = None if traceparent is None else parse_traceparent(traceparent)
        context = Context()
        if parent is None or traceparent is None:
            if random.random() >= self._settings.sample_ratio:
                return None
        elif not int(traceparent[_FLAGS_AT : _FLAGS_AT + 2], 16) & _SAMPLED:
            return None
        else:
            context = api.set_span_in_context(api.NonRecordingSpan(_span_context(parent)), context)
        name = method if route is None else f"{method} {route}"
        span = self._tracer.start_span(name, context, api.SpanKind.SERVER)
        if not span.is_recording():  # OTEL_SDK_DISABLED
            return None
        own = _trace_context(span)
        current_trace.set(own)
        current_span.set(own)
        return span

    def end_request(self, span: api.Span, status: int, attributes: Mapping[str, Attribute]) -> None:
        """End the span of a request that is about to be answered."""
        span.set_attributes({"http.response.status_code": status, **attributes})
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(api.StatusCode.ERROR)
        span.end()

    @contextlib.contextmanager
    def work(
        self, name: str, origins: Iterable[TraceContext | None], *, always: bool = False, **attributes: Attribute
    ) -> Iterator[Callable[[str, Attribute], None]]:
        """A span of what is done in the background for several requests, linked to theirs.

        Without a request that is traced there is none, unless it is to be ``always``. Gives what sets an attribute.
        """
        linked = list(itertools.islice((o for o in origins if o is not None), _MAX_LINKS))
        if not linked and not always:
            yield _set_nothing
            return
        links = [api.Link(_span_context(origin)) for origin in linked]
        span = self._tracer.start_span(name, Context(), api.SpanKind.INTERNAL, attributes, links)
        current_trace.set(_trace_context(span) if span.is_recording() else None)
        try:
            yield span.set_attribute
        except BaseException as e:
            span.set_attribute("error.type", type(e).__name__)
            span.set_status(api.StatusCode.ERROR)
            raise
        finally:
            current_trace.set(None)
            span.end()


def _set_nothing(name: str, value: Attribute) -> None:
    """There is no span."""


def _full(endpoint: str) -> str:
    return endpoint.rstrip("/") + _DEFAULT_PATH if urlsplit(endpoint).path in ("", "/") else endpoint


def _span_context(context: TraceContext) -> api.SpanContext:
    """Of a span that is recorded, here or by the caller."""
    flags = api.TraceFlags(api.TraceFlags.SAMPLED)
    return api.SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags)


def _trace_context(span: api.Span) -> TraceContext:
    context = span.get_span_context()
    return TraceContext(api.format_trace_id(context.trace_id), api.format_span_id(context.span_id))


class _Processor(BatchSpanProcessor):
    """Drops what comes while too much waits, and says once a minute how many spans were not delivered."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._gate = threading.Lock()
        self._waiting = 0
        self._lost = 0
        self._say_from = 0.0
        super().__init__(
            _Exporter(exporter, self._sent),
            max_queue_size=_MAX_WAITING + _MAX_BATCH,
            schedule_delay_millis=_SEND_EVERY_MS,
            max_export_batch_size=_MAX_BATCH,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that is recorded."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._gate:
            if self._waiting >= _MAX_WAITING:
                self._lost += 1
                return
            self._waiting += 1
        super().on_end(span)

    def _sent(self, spans: int, *, well: bool) -> None:
        with self._gate:
            self._waiting -= spans
            self._lost += 0 if well else spans
            now = time.monotonic()
            if not self._lost or now < self._say_from:
                return
            self._say_from = now + _SAY_EVERY_SECONDS
            lost, self._lost = self._lost, 0
        log.warning("spans were not delivered, %d of them: the collector (tracing.endpoint) does not take them", lost)


class _Exporter(SpanExporter):
    """Sends spans, and tells how that went."""

    def __init__(self, exporter: SpanExporter, sent: Callable[..., None]) -> None:
        self._exporter = exporter
        self._sent = sent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._sent(len(spans), well=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()
