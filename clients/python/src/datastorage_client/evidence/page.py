"""README.html of a bundle: what it is, what it proves, and how to check it with this tool and without it."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from datastorage_common.counts import counted

from datastorage_client.evidence.manifest import Manifest

MAX_PAGE_BYTES = 1024 * 1024
_MOST_NAMED = 20
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
td, code,
pre { overflow-wrap: anywhere; } pre { background: #f4f5f7; padding: .8rem; overflow-x: auto; font-size: 13px; }
.mind { border-left: 4px solid #b35900; padding-left: 1rem; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Evidence: {records} of {origin}</title><style>{style}</style></head>
<body>
<h1>Evidence: {records} of {origin}</h1>
<p>This file holds audit records of a Data Storage Service, and what proves that each of them stands in the signed
log of that service as it was stored. It can be checked by anybody, without the service and without a network.</p>
<table>
<tr><th>log</th><td>{origin}, {size} under the signed root <code>{root}</code></td></tr>
<tr><th>exported by</th><td>{by}</td></tr>
<tr><th>made at</th><td>{made_at}</td></tr>
<tr><th>filter</th><td>{filter}</td></tr>
<tr><th>range</th><td>{range}</td></tr>
<tr><th>requests</th><td>{requests}</td></tr>
</table>
<p>This page repeats what <code>manifest.json</code> says. What of it is proven, a check says.</p>

<h2>What it proves</h2>
<ul>
<li><b>These records are whole.</b> Each is, in every member, what the log has an entry for.</li>
<li><b>They are in the log.</b> Their entries lead to the root that the key of the log has signed.</li>
<li><b>Who exported them, when, by which filter, and how many there were.</b> The service records each export in
the same log: these events are in <code>exported.ndjson</code>, and have the SHA-256 of the records that were
sent.</li>
</ul>
<h2>What it does not prove</h2>
<ul>
{left_out}
<li>That nothing is missing in the part that was kept of an answer that broke off: the check says of how many records
that is so.</li>
<li>Who exported, if the service asked for no token.</li>
<li>When a record got its place in the log, but for this: before the checkpoint was signed, which has no time of its
own. The times in a record are what was sent, or what the service's clock said.</li>
<li>That what a record says was true when it was stored.</li>
<li>That who has the signing key shows the same log to others: cosignatures of witnesses, and checkpoints that were
kept elsewhere, do that.</li>
</ul>
<p class="mind"><b>Keep this file as you keep the records.</b> Those that are marked sensitive are in it with all
that they say, and each record has its salt: who has the salt can try out what an entry of the log, which others may
read, was made of.</p>
<p class="mind"><b>Compare the key.</b> <code>keys.txt</code> has come with this file, and who makes up a log makes
up a key too. Get the verifier key of {origin} from somebody whom you trust, by another way, and give it to the
check.</p>

<h2>Check it with the tool</h2>
<pre>datastorage verify FILE.zip --key log.pub</pre>
<p>It ends with 0 where everything holds, and names each file, entry and record that does not. The tool is the client of
the Data Storage Service, which no package index has: ask the operator of {origin} for the wheel of
<code>datastorage-client</code>, or for a copy of the source, in which <code>pip install
'./clients/python[cli,verify]'</code> installs it and <code>docs/evidence.md</code> has the format. Who wants nothing
but the key from them takes the program below: it needs nothing but Python and OpenSSL.</p>

<h2>Check it without the tool</h2>
<ol>
<li>The last 93 bytes of the file are the end of a zip. The last 64 of them are the SHA-256 of everything before
those 93, in hexadecimal digits.</li>
<li><code>manifest.json</code> has the SHA-256 of each other file.</li>
<li><code>checkpoint</code> is a signed note (c2sp.org/signed-note): the name of the log, how many entries it has,
and the root above them in base64. The signature is Ed25519, by the key in <code>keys.txt</code>, of these lines
with their ends.
</li>
<li><code>entries.ndjson</code> has a line for each record, first those of <code>records.ndjson</code>, then those
of <code>exported.ndjson</code>: the entry, and its index in the log. The leaf of an entry is the SHA-256 of a byte
0 and the bytes of the entry as they stand there.</li>
<li><code>proof.txt</code> has the other hashes, in base64. The root above all entries, of the range from 0 to the
size, is made so: a range that has none of these indexes takes the next hash; a range of one entry is its leaf; any
other is split behind the largest power of two below its length, and its hash is the SHA-256 of a byte 1, the hash
of the first part and the hash of the second. All hashes are used, and the result is the root of the checkpoint.</li>
<li>A record gives the commitment of its entry: the SHA-256 of its salt, its digest, and the SHA-256 of those of
its members that the digest does not cover, as canonical JSON. The program below has each step.</li>
<li>The events in <code>exported.ndjson</code> name the same person, filter, range, number of records and SHA-256
as the manifest; and the records have that SHA-256.</li>
</ol>
<p>The program does these steps. It needs Python 3.9 or later, OpenSSL 3 or later for the signature, and nothing else:
no copy of the source, and no package. Read it, keep it as <code>check.py</code>, and run
<code>python3 check.py FILE.zip log.pub</code>.</p>
<pre id="program">{program}</pre>
</body>
</html>
"""
_FILTERED = """<li><b>That the filter left nothing out.</b> Records that do not fit it are not here. Who needs all of
them takes the range of indexes as a whole, without a filter and of both kinds: then each index that is missing is that
of an act on the log, or of a record that was removed.</li>"""
_OF_ALL = """<li><b>What the entries of the range are that have no record here</b>, {others} in number. No filter was
asked for, and both kinds of records were: by the service each of them is that of an act on the log, or of a record
that was removed. They can be asked for by their index.</li>"""


def page(manifest: Manifest) -> bytes:
    """The page of a bundle, the same for the same manifest, whatever it says of its files."""
    first, stop = manifest.range
    asked = ", ".join(f"{name}={text}" for name, text in manifest.filter.items())
    kinds = "events and notifications" if manifest.is_of_all else "events"
    texts = {
        "origin": manifest.origin,
        "records": counted(manifest.records, "record"),
        "size": counted(manifest.size, "entry", "entries"),
        "root": manifest.root,
        "by": manifest.by or "nobody known: the service asked for no token",
        "made_at": manifest.made_at,
        "filter": asked if asked and not manifest.is_of_all else f"none: all {kinds} of the range",
        "range": f"entries {first} to {stop - 1}" if first < stop else "no entries",
        "requests": ", ".join(stream.request_id for stream in manifest.streams[:_MOST_NAMED]),
        "program": program(),
    }
    escaped = {name: escape(text) for name, text in texts.items()}
    return _PAGE.format(style=_STYLE, left_out=_left_out(manifest), **escaped).encode()


def _left_out(manifest: Manifest) -> str:
    """What nobody can tell of records that are not here, as an item of a list; none where there are no such."""
    if not manifest.is_of_all:
        return _FILTERED
    return _OF_ALL.format(others=f"{manifest.others:,}") if manifest.others else ""


def program() -> str:
    """The program on the page, which needs nothing of this package."""
    return files("datastorage_client.evidence").joinpath("standalone.py").read_text("utf-8")
