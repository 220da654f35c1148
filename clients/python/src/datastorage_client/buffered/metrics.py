"""What the buffered store counts, and where it tells it."""

from __future__ import annotations

from typing import Protocol


class MetricsHook(Protocol):
    """Is told what happened since the last time, by a background thread, at least once per flush interval.

    An attempt that hangs holds the telling up until its time limit. What a hook raises is logged and goes no further.
    A fork waits until all is told, so that no child inherits a lock of the hook's that is taken.
    """

    def buffered(self, count: int) -> None:
        """Events that were taken."""
        ...

    def dropped(self, count: int, reason: str) -> None:
        """Events that were not kept: ``full``, ``too_large``, ``refused``, ``expired``, ``closed``, ``damaged``."""
        ...

    def written(self, count: int) -> None:
        """Events that the service has (200, 201 or 202)."""
        ...

    def batch_failed(self, reason: str) -> None:
        """An attempt that failed: ``connection``, the status, such as ``503``, or ``client``, as its token's source."""
        ...

    def buffer_size(self, events: int) -> None:
        """Events that wait now, in memory and in the spool."""
        ...

    def write_duration(self, seconds: float) -> None:
        """How long one attempt took, successful or not."""
        ...


class NoMetrics:
    """Counts nothing."""

    def buffered(self, count: int) -> None: ...
    def dropped(self, count: int, reason: str) -> None: ...
    def written(self, count: int) -> None: ...
    def batch_failed(self, reason: str) -> None: ...
    def buffer_size(self, events: int) -> None: ...
    def write_duration(self, seconds: float) -> None: ...
