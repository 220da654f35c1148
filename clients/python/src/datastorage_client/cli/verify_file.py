"""An evidence bundle, checked offline: what the command says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from datastorage_common.checkpoints import encode_hash
from datastorage_common.counts import counted
from datastorage_common.files import as_text

from datastorage_client.cli.progress import Meter
from datastorage_client.evidence.check import Checked, check_evidence
from datastorage_client.verify.trust import Trust

_NOT_PROVEN = (
    "that the filter left nothing out: who needs all records takes a range of the log as a whole, without a filter",
    "that who has the signing key shows the same log to others: witnesses (--witness-policy) do that",
)
_OWN_KEY = (
    "that the key is the log's: it came with the file. Compare it with one from elsewhere, or give that one with --key"
)

_MADE_UP = "who exported, if the service ever asked for no token: events that are sent to it then look like its own"
_NOBODY = (
    "who exported: the service asked for no token then, so anybody could have asked, or have sent such an event to it"
)
_CUT = "the end of a filter of 256 characters or more: the log has its beginning"


class EvidenceReport:
    """What was found in a bundle, for people and for machines."""

    def __init__(self, path: Path, found: Checked) -> None:
        self.found = found
        self._path = path

    def members(self) -> dict[str, Any]:
        """As JSON has it."""
        found = self.found
        told: dict[str, Any] = {"ok": found.well, "verdict": "verified" if found.well else "wrong"}
        if found.checkpoint is not None:
            point = found.checkpoint
            told |= {"origin": point.origin, "size": point.size, "root": point.root.hex()}
            told |= {"keys": [str(key) for key in found.keys], "key_from_bundle": found.own_key}
            told["other_keys"] = [str(key) for key in found.other_keys]
            told |= {"witnesses": sorted(found.witnesses), "compared": found.compared, "kinds": found.kinds}
        if found.manifest is not None:
            manifest = msgspec.to_builtins(found.manifest)
            told |= {name: manifest[name] for name in ("by", "filter", "range", "records", "made_at")}
            broken = found.broken_off
            told |= {"broken_off": 0 if broken is None else broken.records, "filter_cut": found.cut}
            told |= {"broken_off_range": None if broken is None else [broken.first, broken.last]}
            told["exported"] = [
                {"index": event.log_index, "at": event.recorded_at, "by": event.principal, "whole": event.is_whole}
                for event in found.exported
            ]
        told["other_page"] = found.other_page
        told["given_up"] = found.given_up
        told["not_proven"] = list(self._not_proven())
        return {**told, **found.fault_members()}

    def wrong(self) -> str:
        """What is wrong, as people read it: the first of it, and how much there is."""
        rest = "" if self.found.given_up is None else f"; {self.found.given_up}"
        return f"the evidence does not hold: {self.found.first}; wrong in all: {self.found.told()}{rest}"

    def lines(self) -> Iterator[tuple[str, str]]:
        """As people read it."""
        found = self.found
        yield "evidence", as_text(self._path)
        if found.checkpoint is not None:
            yield "log", found.checkpoint.origin
            yield "size", counted(found.checkpoint.size, "entry", "entries")
            yield "root", encode_hash(found.checkpoint.root)
            for key in found.keys:
                yield "key", f"{key} ({'of the file itself: NOT COMPARED' if found.own_key else 'as it was given'})"
            for key in found.other_keys:
                yield "other key", f"{key} (in the file, and not given; it has signed the checkpoint too)"
            for name in sorted(found.witnesses):
                yield "witness", name
        yield from self._manifest()
        if found.checkpoint is not None:
            yield (
                "compared",
                f"{counted(found.compared, 'record')} with {'its entry' if found.compared == 1 else 'their entries'}",
            )
        if found.other_page:
            yield "page", "README.html is not the page that this release writes; nothing was taken from it"
        for text in self._not_proven():
            yield "not proven", text
        if found.well:
            yield "verified", "each record is in the log as it stands here, and the log says who exported them"
        else:
            yield from found.fault_lines()
            if found.given_up is not None:
                yield "given up", found.given_up

    def _manifest(self) -> Iterator[tuple[str, str]]:
        manifest = self.found.manifest
        if manifest is None:
            return
        yield "records", counted(manifest.records, "record")
        first, stop = manifest.range
        yield "range", f"entries {first} to {stop - 1}" if first < stop else "no entries"
        yield "filter", ", ".join(f"{name}={text}" for name, text in manifest.filter.items()) or "none"
        for event in self.found.exported:
            if event.is_whole:
                yield (
                    "exported",
                    f"by {event.principal or 'nobody known'} at {event.recorded_at}, entry {event.log_index}",
                )

    def _not_proven(self) -> Iterator[str]:
        found = self.found
        if found.own_key:
            yield _OWN_KEY
        if found.manifest is not None:
            yield _NOBODY if found.manifest.by is None else _MADE_UP
        if (broken := found.broken_off) is not None:
            where = f"between the entries {broken.first} and {broken.last}"
            whose = f"{counted(broken.records, 'record')} whose answer broke off"
            yield f"that nothing is missing or added {where}, {whose}: the log has the hash of whole answers"
        if found.cut:
            yield _CUT
        yield from _NOT_PROVEN


def verify_file(path: Path, trust: Trust, meter: Meter) -> EvidenceReport:
    """Check a bundle; without keys in ``trust`` by its own. Raises ReadError, OSError."""

    def show(done: int, total: int) -> None:
        meter.expect(total)
        meter.show(done)

    return EvidenceReport(path, check_evidence(path, trust, show))
