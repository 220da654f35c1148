"""Write audit events without waiting for the service: see `BufferedAuditStore`."""

from datastorage_client.buffered.counters import Stats
from datastorage_client.buffered.event import SupportsToDict
from datastorage_client.buffered.memory import StoreClosedError
from datastorage_client.buffered.metrics import MetricsHook
from datastorage_client.buffered.policies import Block, DropNew, Policy, Spool, block, drop_new, spool
from datastorage_client.buffered.sender import Transport
from datastorage_client.buffered.store import BufferedAuditStore

__all__ = [
    "Block",
    "BufferedAuditStore",
    "DropNew",
    "MetricsHook",
    "Policy",
    "Spool",
    "Stats",
    "StoreClosedError",
    "SupportsToDict",
    "Transport",
    "block",
    "drop_new",
    "spool",
]
