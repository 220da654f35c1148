"""One request to one witness over HTTP, as c2sp.org/tlog-witness has it; what it answers is checked here.

The connections are those of the client package: every wait ends at one deadline, and an answer is read up to a size.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

import httpx
from datastorage_client.connections import Connections, read, within
from datastorage_common.checkpoints import encode_hash, parse_number
from datastorage_common.notes import (
    MAX_NOTE_BYTES,
    Note,
    NoteError,
    Signature,
    VerifierKey,
    cosigned_at,
    parse_note,
    parse_signatures,
)

from app.config.issuers import may_be_fetched

# For a request as a whole, the name looked up and the certificate checked.
TOTAL_SECONDS = 4.0
_MAX_URL = 2048
# Its cosignature says when it was made. A clock that is wrong by more says nothing.
_APART_SECONDS = 3600.0
_SIZE_TYPE = "text/x.tlog.size"
_SIZE = re.compile("[0-9]{1,19}\n?")

Reason = Literal["away", "refused", "wrong", "contradicts"]


class WitnessError(Exception):
    """A witness gave no cosignature; the message says why in one line, in our words."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Other:
    """The witness has cosigned a tree of another size last."""

    size: int


class WitnessClient:
    """Asks one witness. Not for several threads at a time."""

    def __init__(self, url: str, key: VerifierKey, verify: ssl.SSLContext, now: Callable[[], datetime]) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._now = now
        # No redirect is followed, no proxy and no password file of the environment is used.
        self._http = httpx.Client(transport=Connections(verify), trust_env=False, follow_redirects=False)

    def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> Signature | Other:
        """Ask for a cosignature of a checkpoint that continues the tree of ``old`` entries: checked, if it comes.

        Raises WitnessError.
        """
        lines = "".join(f"{line}\n" for line in (f"old {old}", *map(encode_hash, proof), ""))
        answer = self._send("POST", "add-checkpoint", lines.encode() + note)
        if answer.status_code == 200:
            return self._checked(answer.content, parse_note(note).text)
        if answer.status_code == 409:
            return _size(answer)
        if answer.status_code == 422:
            raise WitnessError("contradicts", f"it does not find that this log continues its tree of {old} entries")
        raise WitnessError("refused", f"it answers {answer.status_code}")

    def last_seen(self, origin: str) -> Note:
        """The last checkpoint of this log that the witness has cosigned, as it publishes it; not checked.

        Raises WitnessError.
        """
        answer = self._send("GET", f"{sha256(origin.encode()).hexdigest()}/checkpoint")
        if answer.status_code != 200:
            raise WitnessError("refused", f"it answers {answer.status_code}")
        try:
            return parse_note(answer.content)
        except NoteError as e:
            raise WitnessError("wrong", str(e)) from None

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _send(self, method: str, path: str, content: bytes | None = None) -> httpx.Response:
        # Nothing that is sent or answered is a secret, and what matters is signed: plain HTTP will do.
        if len(self._url) > _MAX_URL or not may_be_fetched(self._url, http=True):
            raise WitnessError("away", "its URL is none that can be asked")
        try:
            with within(TOTAL_SECONDS):
                headers = {"Accept-Encoding": "identity"}
                request = self._http.build_request(method, f"{self._url}/{path}", content=content, headers=headers)
                return read(self._http.send(request, stream=True), request, MAX_NOTE_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise WitnessError("away", f"it does not answer ({type(e).__name__})") from None

    def _checked(self, lines: bytes, text: str) -> Signature:
        try:
            found = parse_signatures(lines.decode())
            # Lines of keys that are not known are passed over, as the specification wants it.
            ours = [s for s in found if (s.name, s.key_id) == (self._key.name, self._key.key_id)]
            if not ours:
                raise WitnessError("wrong", "its answer has no cosignature by the key of the policy")
            self._key.check(text, ours[0])
            moment = cosigned_at(ours[0])
        except UnicodeDecodeError:
            raise WitnessError("wrong", "its answer is not UTF-8") from None
        except NoteError as e:
            raise WitnessError("wrong", str(e)) from None
        if abs(moment - self._now().timestamp()) > _APART_SECONDS:
            raise WitnessError("wrong", "its clock and the one here are more than an hour apart")
        return ours[0]


def _size(answer: httpx.Response) -> Other:
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    text = answer.content.decode("latin-1")
    if kind != _SIZE_TYPE or not _SIZE.fullmatch(text):
        raise WitnessError("wrong", "it answers 409 without a size")
    try:
        return Other(parse_number(text.removesuffix("\n"), "its size"))
    except NoteError as e:
        raise WitnessError("wrong", str(e)) from None
