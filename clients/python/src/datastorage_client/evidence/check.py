"""Checks a bundle, offline: the signature, the tree above its entries, each record, and who exported what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from datastorage_common.checkpoints import Checkpoint, parse_hash
from datastorage_common.faults import Faults
from datastorage_common.files import MAX_SECRET_BYTES
from datastorage_common.merkle import leaf_hash
from datastorage_common.notes import MAX_NOTE_BYTES, NoteError, VerifierKey

from datastorage_client.evidence.errors import BundleError, GivenUpError
from datastorage_client.evidence.exported import (
    MAX_EXPORTED,
    MAX_EXPORTED_BYTES,
    BrokenOff,
    Exported,
    disagreements,
    is_cut,
    unproven,
    wrong_time,
)
from datastorage_client.evidence.lines import read_entry
from datastorage_client.evidence.manifest import MAX_MANIFEST_BYTES, File, Manifest, parse_manifest
from datastorage_client.evidence.multiproof import ProofWrongError, root_above
from datastorage_client.evidence.page import MAX_PAGE_BYTES, page
from datastorage_client.evidence.records_held import RecordsHeld
from datastorage_client.evidence.zip_layout import (
    CHECKPOINT,
    ENTRIES,
    EXPORTED,
    KEYS,
    MANIFEST,
    METHODS,
    PAGE,
    PROOF,
    RECORDS,
)
from datastorage_client.evidence.zip_read import STRUCTURE, MemberReader, ZipReader
from datastorage_client.verify.errors import VerificationError
from datastorage_client.verify.keys import read_keys
from datastorage_client.verify.trust import Trust


@dataclass(slots=True)
class Checked(Faults):
    """What was found in a bundle.

    ``manifest``: what it says; None where it cannot be read. ``checkpoint``: that is signed; None where none is.
    ``keys``: by which it was checked. ``own_key``: whether these came out of the bundle. ``other_keys``: that are in
    the bundle, have signed too, and were not given. ``compared``: how many records were held against their entries, by
    ``kinds``. ``exported``: what the log says of the export. ``broken_off``: what came in answers that broke off
    (`exported.unproven`). ``cut``: whether the log has but the beginning of a filter. ``witnesses``: of the policy,
    that have cosigned. ``other_page``: whether its page is not the one that this release writes. ``given_up``: why the
    rest was not looked at; None where all was.
    """

    manifest: Manifest | None = None
    checkpoint: Checkpoint | None = None
    keys: tuple[VerifierKey, ...] = ()
    own_key: bool = False
    other_keys: tuple[VerifierKey, ...] = ()
    kinds: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    exported: list[Exported] = field(default_factory=list)
    broken_off: BrokenOff | None = None
    cut: bool = False
    witnesses: set[str] = field(default_factory=set)
    other_page: bool = False
    given_up: str | None = None


def check_evidence(
    path: Path, trust: Trust, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Checked:
    """Check a bundle. ``trust``: without keys, the bundle's own are taken. Raises ReadError, OSError.

    ``on_progress`` is told how many records are done, and how many there are said to be.
    """
    found = Checked()
    with suppress(_StopError):
        try:
            bundle = ZipReader(path)
        except BundleError as e:
            _add(found, e)
            return found
        with bundle:
            _Check(bundle, trust, found, on_progress).run()
    return found


class _StopError(Exception):
    """Nothing more can be looked at; what is wrong is noted."""


def _add(found: Faults, error: BundleError) -> None:
    found.add("file", str(error), index=error.index)


class _Check:
    """The check of one bundle."""

    def __init__(
        self, bundle: ZipReader, trust: Trust, found: Checked, on_progress: Callable[[int, int], None]
    ) -> None:
        self._bundle = bundle
        self._trust = trust
        self._found = found
        self._on_progress = on_progress
        self._files: dict[str, File] = {}

    def run(self) -> None:
        """Raises _StopError, OSError."""
        written = self._bundle.is_as_written()
        try:
            self._run()
        except GivenUpError as e:
            self._found.given_up = str(e)
        finally:
            if not written and self._found.well:
                self._found.add("file", f"{STRUCTURE}: its bytes are not those of the hash in its comment")

    def _run(self) -> None:
        manifest = self._manifest()
        note = self._whole(CHECKPOINT, MAX_NOTE_BYTES)
        self._look_at_page(manifest, self._whole(PAGE, MAX_PAGE_BYTES))
        checkpoint = self._checkpoint(note, self._whole(KEYS, MAX_SECRET_BYTES))
        said = (manifest.origin, manifest.size, manifest.root)
        if said != (checkpoint.origin, checkpoint.size, checkpoint.root.hex()):
            self._found.add("manifest", "the manifest names another checkpoint than the one in the bundle")
        readers = {name: self._bundle.open(name) for name in (RECORDS, EXPORTED)}
        records = RecordsHeld(readers[RECORDS], readers[EXPORTED], manifest, self._found, self._on_progress)
        self._look_at_tree(checkpoint, records)
        records.close()
        for name, reader in readers.items():
            self._look_at_rest(name, reader)
        found = self._found
        found.compared, found.kinds, found.exported = records.compared, records.kinds, records.exported
        for text in disagreements(manifest, records.streams, found.exported):
            found.add("export", text)
        if (late := wrong_time(manifest, found.exported)) is not None:
            found.add("manifest", late)
        found.broken_off = unproven(manifest, records.streams, found.exported)
        found.cut = is_cut(manifest)

    def _manifest(self) -> Manifest:
        try:
            manifest = parse_manifest(self._bundle.whole(MANIFEST, MAX_MANIFEST_BYTES))
        except BundleError as e:
            _add(self._found, e)
            raise _StopError from None
        self._found.manifest = manifest
        self._files = {file.name: file for file in manifest.files}
        if [file.name for file in manifest.files] != [name for name in METHODS if name != MANIFEST]:
            self._found.add("manifest", "the manifest does not name the files of the bundle, each once and in order")
        if manifest.exported > MAX_EXPORTED or len(manifest.streams) > MAX_EXPORTED:
            self._found.add("manifest", f"the manifest names more than {MAX_EXPORTED:,} events of the export")
            raise _StopError
        if self._bundle.members[EXPORTED].size > MAX_EXPORTED_BYTES:
            _add(self._found, BundleError(EXPORTED, f"it is larger than {MAX_EXPORTED_BYTES:,} bytes"))
            raise _StopError
        return manifest

    def _whole(self, name: str, limit: int) -> bytes:
        """A small file. Raises _StopError where it is not what was written."""
        try:
            return self._bundle.whole(name, limit, self._files.get(name))
        except BundleError as e:
            _add(self._found, e)
            raise _StopError from None

    def _look_at_page(self, manifest: Manifest, data: bytes) -> None:
        self._found.other_page = data != page(manifest)

    def _checkpoint(self, note: bytes, keys: bytes) -> Checkpoint:
        """Raises _StopError where none is signed as it has to be."""
        found = self._found
        trust, named = self._trust, self._keys(keys)
        if not trust.keys:
            if not named:
                raise _StopError
            trust = Trust(named, trust.policy)
            found.own_key = True
        try:
            found.checkpoint = checkpoint = trust.check(note)
            found.keys = tuple(trust.signers(note))
            found.witnesses = trust.witnesses(note)
        except VerificationError as e:
            found.add("checkpoint", str(e))
            raise _StopError from None
        self._look_at_keys(named, note)
        return checkpoint

    def _keys(self, keys: bytes) -> tuple[VerifierKey, ...]:
        """Those of keys.txt; none where it cannot be read, which is noted."""
        try:
            return read_keys(keys.decode("utf-8", "replace"))
        except ValueError as e:
            _add(self._found, BundleError(KEYS, str(e)))
            return ()

    def _look_at_keys(self, named: Sequence[VerifierKey], note: bytes) -> None:
        """Who takes a key out of the bundle later has to find one that has signed; another than was given is told."""
        found = self._found
        for key in named:
            try:
                Trust((key,)).signed(note)
            except VerificationError:
                _add(found, BundleError(KEYS, f"it names the key {key}, which has not signed the checkpoint"))
            else:
                if key not in found.keys:
                    found.other_keys = (*found.other_keys, key)

    def _look_at_tree(self, checkpoint: Checkpoint, records: RecordsHeld) -> None:
        """The root above all entries; each record is held against its entry on the way."""
        entries, proof = self._bundle.open(ENTRIES), self._bundle.open(PROOF)

        def leaves() -> Iterator[tuple[int, bytes]]:
            last = -1
            for number, line in enumerate(entries.lines(), 1):
                index, data, entry = read_entry(line, number)
                if index <= last:
                    raise BundleError(ENTRIES, f"line {number}: entry {index} stands behind entry {last}", index)
                last = index
                records.hold(index, entry)
                yield index, leaf_hash(data)

        def hashes() -> Iterator[bytes]:
            for number, line in enumerate(proof.lines(), 1):
                try:
                    yield parse_hash(line.decode("ascii", "replace"))
                except NoteError as e:
                    raise BundleError(PROOF, f"line {number}: {e}") from None

        ours = leaves()
        try:
            if root_above(checkpoint.size, ours, hashes()) != checkpoint.root:
                text = "the entries and the hashes of proof.txt do not give the signed root"
                self._found.add("tree", text)
        except ProofWrongError as e:
            self._found.add("tree", f"the entries and the hashes of proof.txt do not fit together: {e}")
        except BundleError as e:
            _add(self._found, e)
        # What is wrong with the other records is told too.
        with suppress(BundleError):
            for _ in ours:
                pass
        self._look_at_rest(ENTRIES, entries)
        self._look_at_rest(PROOF, proof)

    def _look_at_rest(self, name: str, reader: MemberReader) -> None:
        try:
            reader.drain()
        except BundleError as e:
            if str(e) not in map(str, (fault.text for fault in self._found.wrong)):
                _add(self._found, e)
            return
        if (wrong := reader.wrong(self._files.get(name))) is not None:
            _add(self._found, BundleError(name, wrong))
