"""The examples of docs/log.md, recomputed by code that imports nothing of the service."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from datastorage_client.verify import Verifier
from datastorage_client.verify.compare import wrong_with
from datastorage_common.records import parse_entry
from datastorage_common.witness_policy import parse_policy

from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from tests.log_note import opened
from tests.log_record import (
    EVENT_COLUMNS,
    EVENT_MEMBERS,
    NOTIFICATION_COLUMNS,
    NOTIFICATION_MEMBERS,
    Steps,
    act_steps,
    canonical,
    event_steps,
    id_hash,
    notification_steps,
    parse,
)
from tests.log_tree import audit_path, consistency_path, root_of_path, tree_root
from tests.support import ROOT

PAGE = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^### {title}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def computed(title: str, record: str, salt: bytes) -> Steps:
    if title == "An event":
        [steps] = event_steps(parse(record), salt)
        return steps
    return notification_steps(parse(record), salt)


@pytest.mark.parametrize("title", ["An event", "A notification"])
def test_the_example_is_right(title: str) -> None:
    text = section(title)
    record, canonical, columns, entry = (b.strip() for b in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    [salt] = re.findall(r"The salt is `([0-9a-f]{32})`", text)
    hashes = dict(re.findall(r"^\| ([^|]+) \| `([0-9a-f]{64})` \|$", text, re.MULTILINE))
    steps = computed(title, record, bytes.fromhex(salt))
    assert (canonical, columns, entry) == (steps.canonical, steps.columns, steps.entry)
    assert hashes == {
        "digest": steps.digest.hex(),
        "SHA-256 of the columns": sha256(columns.encode()).hexdigest(),
        "commitment": steps.commitment.hex(),
        "leaf": steps.leaf.hex(),
    }


def hashes_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| ([^|]+) \| `([0-9a-f]{64})` \|$", text, re.MULTILINE))


def blocks(text: str) -> list[str]:
    return [block.strip() for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def salt_of(text: str) -> bytes:
    [salt] = re.findall(r"The salt is `([0-9a-f]{32})`", text)
    return bytes.fromhex(salt)


def test_the_example_from_before_the_log_is_right() -> None:
    text = section("An event from before the log")
    changes, columns, entry = blocks(text)
    record = {**parse(blocks(section("An event"))[0]), **parse(changes)}
    stored, null = event_steps(record, salt_of(text), version=0)
    assert (columns, entry) == (null.columns, null.entry)
    assert hashes_of(text) == {
        "digest": null.digest.hex(),
        "SHA-256 of the columns": sha256(columns.encode()).hexdigest(),
        "commitment": null.commitment.hex(),
        "leaf": null.leaf.hex(),
    }
    assert null.digest.hex() == hashes_of(section("An event"))["digest"]
    assert f"`{stored.digest.hex()}`" in text


def test_the_example_of_an_act_is_right() -> None:
    text = section("An act")
    item, record, entry = blocks(text)
    steps = act_steps(parse(record), salt_of(text))
    given = parse(item)
    members = {name: given[name] for name in ("act_id", "acted_at", "acted_by", "details")}
    assert act_steps({**members, "kind": given["act"]}, bytes.fromhex(given["salt"])) == steps
    assert (given["digest"], given["kind"], given["salt"]) == (steps.digest.hex(), "act", salt_of(text).hex())
    assert wrong_with(parse_entry(entry.encode()), item.encode()) is None
    assert (record, entry) == (steps.canonical, steps.entry)
    assert hashes_of(text) == {
        "digest": steps.digest.hex(),
        "commitment": steps.commitment.hex(),
        "leaf": steps.leaf.hex(),
    }


def test_the_keys_of_the_examples_are_right() -> None:
    event, act = parse(blocks(section("An event"))[0]), parse(blocks(section("An act"))[1])
    assert re.findall(r"`(-?\d{10,})` \|$", section("Where its entry is"), re.MULTILINE) == [
        str(id_hash(b"e", UUID(event["event_id"]).bytes)),
        str(id_hash(b"n", (42).to_bytes(8, "big"))),
        str(id_hash(b"a", UUID(act["act_id"]).bytes)),
    ]


def named(row: str) -> list[str]:
    """The names in the last cell of a table's row."""
    return re.findall(r"`(\w+)`", row.rstrip("|").rpartition("|")[2])


def test_the_members_are_all_named() -> None:
    digests = {
        kind: named(row) for row, kind in re.findall(r"^(\| (event|notification) \| `[^\n]*)$", section("Digest"), re.M)
    }
    assert digests == {"event": list(EVENT_MEMBERS), "notification": list(NOTIFICATION_MEMBERS)}
    columns = {
        kind: named(row) for row, kind in re.findall(r"^(\| (event|notification) \| [^\n]*)$", section("Columns"), re.M)
    }
    assert columns == {"event": list(EVENT_COLUMNS), "notification": list(NOTIFICATION_COLUMNS)}


def test_the_digest_covers_every_member_of_a_request() -> None:
    assert set(EVENT_MEMBERS) == set(EVENT_FIELDS)
    assert set(NOTIFICATION_MEMBERS) == set(NOTIFICATION_FIELDS)


def test_the_tables_are_all_named() -> None:
    made = re.findall(
        r"^CREATE TABLE (log_\w+)", (ROOT / "sql" / "0005_log.sql").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {name for name in made if f"`{name}`" not in PAGE} == set()


def test_the_policy_of_witnesses_can_be_read() -> None:
    [text] = re.findall(r"^   ```\n(   witness .*?)^   ```$", PAGE, re.MULTILINE | re.DOTALL)
    policy = parse_policy(text.encode())
    assert [witness.url for witness in policy.witnesses.values()] == ["https://one.example/", "https://two.example/"]
    assert policy.fulfilled(["one", "two"])
    assert not policy.fulfilled(["one"])


# --- the log of the three examples ---------------------------------------------------------------------------------


def plain_blocks(text: str) -> list[str]:
    return re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def three() -> list[Steps]:
    [act] = [act_steps(parse(blocks(section("An act"))[1]), salt_of(section("An act")))]
    records = [
        computed(name, blocks(section(name))[0], salt_of(section(name))) for name in ("An event", "A notification")
    ]
    return [*records, act]


def test_the_example_of_a_checkpoint_is_right(three: list[Steps]) -> None:
    text = section("A checkpoint")
    note, key = plain_blocks(text)
    root = base64.b64encode(tree_root([steps.leaf for steps in three])).decode()
    assert opened(note, key.strip()) == f"log.example/audit\n3\n{root}\n"
    with pytest.raises(InvalidSignature):
        opened(note.replace("\n3\n", "\n4\n"), key.strip())


def test_the_example_of_tiles_is_right(three: list[Steps]) -> None:
    found = re.findall(
        r"^\| `(tile/[^`]+)` \| (\d+) \| `([0-9a-f]{64})` \|$", section("Tiles and entries"), re.MULTILINE
    )
    tile = b"".join(steps.leaf for steps in three)
    bundle = b"".join(len(s.entry.encode()).to_bytes(2, "big") + s.entry.encode() for s in three)
    assert found == [
        (f"tile/{name}/000.p/3", str(len(data)), sha256(data).hexdigest())
        for name, data in (("0", tile), ("entries", bundle))
    ]


def test_the_example_of_a_proof_is_right(three: list[Steps]) -> None:
    text = section("A proof")
    [proof], [extra] = plain_blocks(text), blocks(text)
    head, _, note = proof.partition("\n\n")
    first, extra_line, index, *hashes = head.split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 0")
    assert base64.b64decode(extra_line.removeprefix("extra ")).decode() == extra
    said = parse(extra)
    assert canonical(said["entry"]) == three[0].entry
    assert bytes.fromhex(said["salt"]) == salt_of(section("An event"))
    _, key = plain_blocks(section("A checkpoint"))
    size, root = opened(note, key.strip()).splitlines()[1:]
    path = [base64.b64decode(line) for line in hashes]
    assert path == audit_path(0, [steps.leaf for steps in three])
    assert root_of_path(0, int(size), three[0].leaf, path) == base64.b64decode(root)
    assert re.findall(r"^ +.*`([0-9a-f]{64})`", text, re.MULTILINE) == [
        root_of_path(0, 2, three[0].leaf, path[:1]).hex(),
        base64.b64decode(root).hex(),
    ]


def test_the_example_of_consistency_is_right(three: list[Steps]) -> None:
    [hashes] = re.findall(r'`\["([^"]+)"\]`', section("From one checkpoint to the next"))
    assert [base64.b64decode(hashes)] == consistency_path(2, [steps.leaf for steps in three])


def test_the_clients_verifier_takes_the_examples() -> None:
    note, key = plain_blocks(section("A checkpoint"))
    [proof] = plain_blocks(section("A proof"))
    proved = Verifier(key).check_event(blocks(section("An event"))[0], proof.encode())
    assert (proved.index, proved.checkpoint) == (0, Verifier(key).check_note(note.encode()))
