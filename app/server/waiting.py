"""The connections that wait, by what they wait for."""

from __future__ import annotations

from app.config.settings import ServerSettings
from app.server.connections import Connection
from app.server.lingering import LINGER_SECONDS
from app.server.queues import Pauses, Queue

# A body that does not come along with its head has so long before the application is asked whether it wants it: a
# client that is not let in is answered then, whatever it still means to send.
ASK_SECONDS = 0.05
# Where connections or the memory for bodies or answers are all taken, the client that has kept its place waiting for
# longest goes, after so long at the least.
CROWDED_SECONDS = 0.5
# Of those that were put aside one is heard again so often: several at once would hold up the requests of others.
HEAR_SECONDS = 0.005


class Waiting:
    """One queue for each thing that a connection can wait for, with its time."""

    def __init__(self, server: ServerSettings, keepalive_seconds: int) -> None:
        self.idle: Queue[Connection] = Queue(keepalive_seconds)
        self.heads: Queue[Connection] = Queue(server.header_timeout)
        self.unasked: Queue[Connection] = Queue(ASK_SECONDS)  # for a body that the application has not asked for yet
        self.bodies: Queue[Connection] = Queue(server.body_timeout)
        self.unread: Queue[Connection] = Queue(server.answer_timeout)
        self.lingering: Queue[Connection] = Queue(LINGER_SECONDS)
        self.aside: Pauses[Connection] = Pauses()  # answered, and its next request is not read yet

    def slowest(self, now: float) -> Connection | None:
        """Of the connections that keep their places waiting, one that does so for longest; an idle one if need be."""
        aside = self.aside.oldest(0.0, now)
        if aside is not None:
            return aside
        queues = (self.lingering, self.heads, self.bodies, self.unread, self.idle)
        found = (queue.oldest(CROWDED_SECONDS, now) for queue in queues)
        return next((conn for conn in found if conn is not None), None)
