"""Evidence bundles: records with what proves that they are in the log, in one file that is checked offline.

`write_evidence` makes one, `check_evidence` checks one; docs/evidence.md has the format. Needs the extra ``verify``.
"""

from __future__ import annotations

from datastorage_client.evidence.check import Checked, check_evidence
from datastorage_client.evidence.errors import BundleError, EvidenceError
from datastorage_client.evidence.manifest import About, Stream
from datastorage_client.evidence.write import Written, write_evidence

__all__ = [
    "About",
    "BundleError",
    "Checked",
    "EvidenceError",
    "Stream",
    "Written",
    "check_evidence",
    "write_evidence",
]
