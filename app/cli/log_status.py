"""What `datastorage log status` and `intake` say of the log, as lines and as members."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from datastorage_common.counts import counted
from datastorage_common.files import read_whole
from datastorage_common.terminal import printable
from datastorage_common.times import rfc3339
from datastorage_common.witness_policy import MAX_POLICY_BYTES, Policy, parse_policy

from app.transparency.memories import SETTINGS, Memory, MemoryAwayError, MemoryBrokenError, Remembered, decode
from app.transparency.standing import Earlier, Signed, Standing

NOBODY = "an instance of this release has to run"


@dataclass(frozen=True, slots=True)
class Held:
    """What a memory holds, or why that is not known; neither: it is empty."""

    name: str
    tree: Remembered | None
    trouble: str | None = None


def look_at(memories: Sequence[Memory]) -> list[Held]:
    """Ask each memory, a second at the most."""
    found = []
    for memory in memories:
        try:
            found.append(Held(memory.name, decode(memory.read())))
        except (MemoryAwayError, MemoryBrokenError) as e:
            found.append(Held(memory.name, None, str(e)))
    return found


def policy_of(path: str | None) -> Policy | None:
    """The policy of witnesses; None where none is set up. Raises ReadError, PolicyError."""
    return None if path is None else parse_policy(read_whole(path, MAX_POLICY_BYTES + 1))


def members(found: Standing, held: Sequence[Held] = (), policy: Policy | None = None) -> dict[str, object]:
    """As JSON has it."""
    told = dataclasses.asdict(found)
    told["root"] = found.root.hex()
    told["intake"]["finished_at"] = _moment(found.intake.finished_at)
    signed = found.signed
    del told["signed"]
    return {
        **told,
        "origin": signed.origin,
        "earlier": [earlier_members(each) for each in signed.earlier],
        "signing": signed.signing,
        "signing_stopped": signed.inconsistent or (signed.unsigned if signed.signing == "stopped" else None),
        "inconsistent": signed.inconsistent,
        "checkpoint": {"size": signed.size, "signed_at": _moment(signed.signed_at)}
        if signed.size is not None
        else None,
        "memories": [memory_members(each) for each in held],
        "witnesses": [
            {"name": name, "key": key, "size": size, "received_at": _moment(at)}
            for name, key, size, at in _witnesses(signed, policy)
        ],
    }


def lines(found: Standing, held: Sequence[Held], policy: Policy | None) -> Iterator[tuple[str, str]]:
    """As a terminal has it: names and texts."""
    yield "size", counted(found.size, "entry", "entries")
    yield "root", base64.b64encode(found.root).decode()
    waits = f", the first for {found.lag_seconds:.1f} s" if found.pending else ""
    yield "pending", counted(found.pending, "record") + waits
    yield "epoch", _epoch(found)
    yield "old records", intake_line(found)
    signed = found.signed
    yield "origin", signed.origin or "none yet"
    if signed.size is not None:
        yield "checkpoint", f"{counted(signed.size, 'entry', 'entries')}, signed at {_moment(signed.signed_at)}"
    else:
        yield "checkpoint", "none under this name yet" if signed.origin else "none yet"
    yield "signing", _signing(signed)
    for each in signed.earlier:
        yield "earlier", earlier_line(each)
    for memory in held:
        yield f"in {memory.name}", memory.trouble or tree_line(memory.tree, signed.origin)
    for name, key in SETTINGS.items():
        if all(memory.name != name for memory in held):
            yield f"in {name}", f"not asked: {key} is not set here"
    for name, _, size, at in _witnesses(signed, policy):
        yield "witness", f"{name}: {counted(size, 'entry', 'entries')} at {_moment(at)}" if size else f"{name}: nothing"


def intake_line(found: Standing) -> str:
    """How far old records are taken in."""
    intake = found.intake
    taken = f"{intake.taken:,} taken in"
    if intake.finished_by is not None and intake.finished_at is not None:
        return f"{taken}; finished by {intake.finished_as} at {rfc3339(intake.finished_at)}"
    if intake.done and not intake.taken:
        return "none"
    if intake.done:
        return f"{taken}, none left; not finished (`datastorage log intake --finish`)"
    if intake.left is None:
        return f"{taken}; the others wait for their index (`datastorage migrate`)"
    return f"{taken}, {'at least ' if intake.more_left else ''}{intake.left:,} left"


def _epoch(found: Standing) -> str:
    if found.holder is not None:
        return f"{found.epoch}, last given by worker {found.holder}"
    if found.epoch:
        return f"{found.epoch}, nobody gives places since: it was taken from who did (a new origin does that)"
    return f"nobody has given places yet: {NOBODY}"


def _signing(signed: Signed) -> str:
    if signed.inconsistent is not None:
        return f"stopped, the log is INCONSISTENT: {signed.inconsistent}"
    return signed.signing if signed.unsigned is None else f"{signed.signing}: {signed.unsigned}"


def earlier_line(earlier: Earlier) -> str:
    """A name that the log had."""
    name = printable(earlier.origin) if earlier.origin is not None else "no name in this database"
    return f"{name}, to {printable(earlier.size)} entries, until {rfc3339(earlier.until)}: {printable(earlier.reason)}"


def tree_line(tree: Remembered | None, origin: str | None) -> str:
    """What a memory holds; ``origin``: the log's."""
    if tree is None:
        return "nothing"
    name = f" of {tree.origin}" if tree.origin != origin else ""
    return counted(tree.size, "entry", "entries") + name


def earlier_members(earlier: Earlier) -> dict[str, object]:
    """As JSON has a name that the log had."""
    return {
        "origin": earlier.origin,
        "size": int(earlier.size) if earlier.size.isdecimal() else earlier.size,
        "until": rfc3339(earlier.until),
        "reason": earlier.reason,
    }


def memory_members(held: Held) -> dict[str, object]:
    tree = held.tree
    told = None if tree is None else {"origin": tree.origin, "size": tree.size, "root": tree.root.hex()}
    return {"name": held.name, "holds": told, "trouble": held.trouble}


def _witnesses(signed: Signed, policy: Policy | None) -> Iterator[tuple[str, str, int | None, datetime | None]]:
    """Name, verifier key, and how far each has come: those of the policy, then others that have said something."""
    come = {each.witness: each for each in signed.cosigned}
    for witness in policy.witnesses.values() if policy is not None else ():
        each = come.pop(str(witness.key), None)
        if each is None:
            yield witness.name, str(witness.key), None, None
        else:
            yield witness.name, str(witness.key), each.size, each.received_at
    for key, each in come.items():
        yield key.partition("+")[0], key, each.size, each.received_at


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
