"""Entries that failed alone while PostgreSQL took others: perhaps it is the entry, perhaps an outage came and went."""

from __future__ import annotations

from dataclasses import dataclass

# So often an entry has to fail, each time after others were written, until that counts as one attempt. An outage that
# comes and goes between two looks is then not taken for the entry's fault.
_STRIKES = 3
# So many entries of a stream are remembered at the most; of more the oldest is forgotten.
_SUSPECTS = 10_000


@dataclass(frozen=True)
class _Suspect:
    """How often an entry failed alone while others were written, and how many writes there had been by then."""

    strikes: int
    kept: int


class Suspects:
    """The entries of one stream that failed alone. Used by one thread."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Suspect] = {}

    def __contains__(self, ident: bytes) -> bool:
        return ident in self._known

    def failed(self, ident: bytes, kept: int) -> bool:
        """Note that an entry failed alone, after ``kept`` writes of all; True if that counts as an attempt."""
        known = self._known.pop(ident, _Suspect(0, -1))
        if len(self._known) >= _SUSPECTS:
            del self._known[next(iter(self._known))]
        strikes = known.strikes + (1 if kept != known.kept else 0)
        counts = strikes >= _STRIKES
        self._known[ident] = _Suspect(0 if counts else strikes, kept)
        return counts

    def clear(self, ident: bytes) -> None:
        """Forget an entry that is written or a dead letter."""
        self._known.pop(ident, None)
