"""`datastorage log remember` and `log new-origin`: what an operator decides where the log is not signed any more."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import click
import orjson
from datastorage_common.counts import counted
from datastorage_common.jsonvalue import is_storable_text
from datastorage_common.times import rfc3339

from app.audit.store import append
from app.cli.log_database import config_option, connected, json_option, keys_of, memories_of, own_events
from app.cli.log_keys import origin_argument
from app.cli.log_status import look_at
from app.config.log import LogSettings
from app.config.settings import Settings
from app.postgres.sessions import Connection, reading
from app.transparency import checkpoint_store, log_store
from app.transparency.acts import Act
from app.transparency.memories import SETTINGS, Memory, Remembered
from app.transparency.origins import NewOrigin, start_origin
from app.transparency.remembering import Filled, check_all_known, fill_empty

_MAX_REASON = 1000
without_option = click.option(
    "--without",
    multiple=True,
    type=click.Choice(sorted(SETTINGS)),
    help="A memory that is lost for good, such as a Redis that was taken out of the deployment. It is written down.",
)


@click.command(epilog="Example: datastorage log remember")
@config_option
@json_option
@without_option
def remember(config_path: str | None, as_json: bool, without: tuple[str, ...]) -> None:
    """Fill memories of the log that are empty although checkpoints exist: one that is new, or whose content was lost.

    The log is first proven to continue its last checkpoint and what every other memory holds. Where it does not, where
    a memory is away, or holds something else, nothing is filled. A memory that holds something is never changed. Say
    yes to an empty memory only where you know why it is empty: a database that was restored from before is found by it.
    """
    with connected(config_path) as (conn, settings), memories_of(settings) as memories:
        recorded = _recorded_filling(without) if settings.audit.record_service else None
        found = fill_empty(conn, memories, recorded, without)
    if as_json:
        members = {
            "filled": found.filled,
            "held": found.held,
            "tree": _members_of(found.tree) if found.tree is not None else None,
        }
        click.echo(orjson.dumps(members, option=orjson.OPT_INDENT_2))
    else:
        click.echo(_filled_line(found))


def _filled_line(found: Filled) -> str:
    if found.tree is None:
        return "nothing was signed yet: the first checkpoint fills the memories"
    if not found.filled:
        return "no memory is empty: nothing was done"
    of = f"the log {found.tree.origin} of {counted(found.tree.size, 'entry', 'entries')}"
    held = f"; {_listed(found.held)} held one already" if found.held else ""
    return f"{_listed(found.filled)} remembers {of} now{held}"


def _recorded_filling(without: Sequence[str]) -> Callable[[Connection, Remembered, Sequence[str], str], None]:
    def record(conn: Connection, tree: Remembered, names: Sequence[str], outcome: str) -> None:
        append(conn, [own_events().log_remembered(_members_of(tree), names, without, outcome, conn.info.user)])

    return record


def _reason(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip() or len(value) > _MAX_REASON or not is_storable_text(value) or not value.isprintable():
        raise click.BadParameter(f"a line of 1 to {_MAX_REASON} characters is expected", ctx, parameter)
    return value


@click.command(
    "new-origin",
    epilog="""\b
Examples:
  datastorage log new-origin audit.example.com/log-2 --reason "the database was restored from the backup of 03:00"
  datastorage log new-origin audit.example.com/log-2 --reason "the key was copied" --yes --json""",
)
@origin_argument
@click.option("--reason", required=True, callback=_reason, help="Why, in a line. It stays in the log's acts for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@without_option
@config_option
@json_option
def new_origin(
    name: str, reason: str, yes: bool, without: tuple[str, ...], config_path: str | None, as_json: bool
) -> None:
    """Let the log go on under another name, where it contradicts what was signed or a key is compromised.

    As the role that owns the tables (database.direct_url), with redis.url and log.checkpoint_file as the service has
    them. Places go on; an entry says what the log was called, and what was signed of it last. Nothing is signed under
    the old name any more, and that cannot be undone. Everybody who checks the log has to learn of the new name and its
    key. Killed, it is finished by running it again. The service needs a key of the new name in log.key_file, and
    log.origin, where that is set, has to be the new name.
    """
    with connected(config_path) as (conn, settings), memories_of(settings) as memories:
        if not yes:
            _ask(conn, memories, without, name)
        recorded = settings.audit.record_service
        done = start_origin(
            conn,
            memories,
            name,
            reason,
            _record_act if recorded else None,
            record_moved=_record_moved if recorded else None,
            without=without,
        )
        if as_json:
            click.echo(orjson.dumps(_members(done), option=orjson.OPT_INDENT_2))
        else:
            _tell(done)
        if done.act.details["reason"] != reason:
            click.echo(f"the reason that was given first stands: {done.act.details['reason']}", err=True)
        for line in _still_to_do(settings, name):
            click.echo(line, err=True)


def _ask(conn: Connection, memories: Sequence[Memory], without: Sequence[str], name: str) -> None:
    """Show what is remembered, and ask. Raises ActRefusedError where a memory is not known here."""
    with reading(conn):
        check_all_known(conn, memories, without)
        origin = log_store.head(conn).origin
        last = checkpoint_store.last(conn, origin) if origin is not None else None
    click.echo(f"the last checkpoint: {_said(last)}", err=True)
    for held in look_at(memories):
        click.echo(f"the memory in {held.name}: {held.trouble or _said(held.tree)}", err=True)
    for each in without:
        click.echo(f"the memory in {each}: given up", err=True)
    click.confirm(f"Sign nothing under the present name any more, and go on as {name}?", abort=True, err=True)


def _said(tree: Remembered | None) -> str:
    if tree is None:
        return "nothing"
    return f"{counted(tree.size, 'entry', 'entries')} of {tree.origin}, root {base64.b64encode(tree.root).decode()}"


def _record_act(conn: Connection, act: Act) -> None:
    append(conn, [own_events().log_new_origin(act.act_id, act.details, act.acted_by)])


def _record_moved(conn: Connection, act: Act, memory: str, held: Remembered) -> None:
    name = act.details["new_origin"]
    append(conn, [own_events().log_memory_moved(act.act_id, name, memory, _members_of(held), conn.info.user)])


def _tell(done: NewOrigin) -> None:
    details = done.act.details
    if done.already:
        click.echo(f"the log has been {done.tree.origin} since {rfc3339(done.act.acted_at)}")
    else:
        click.echo(f"the log is {done.tree.origin} now; before it was {details['old_origin'] or 'without a name'}")
    for known in details["remembered"]:
        said = f"{counted(known['size'], 'entry', 'entries')} of {known['origin']}, root {_base64(known['root'])}"
        click.echo(f"remembered in {known['in']}: {said}")
    click.echo(f"the log had {counted(details['size'], 'entry', 'entries')}, root {_base64(details['root'])}")
    for memory, tree in done.late:
        click.echo(f"the memory in {memory} held what the act does not name: {_said(tree)}")
    if done.moved:
        click.echo(f"moved to the new name: {_listed(done.moved)}")
    if (details["size"], details["root"]) != (details["remembered_size"], details["remembered_root"]):
        click.echo(
            "where the database was restored or edited, tiles are others than they were: empty the caches in front of "
            "/api/v1/log/tile/, which keep the old ones for up to a year"
        )


def _members(done: NewOrigin) -> dict[str, object]:
    act = done.act
    late = [{"in": name, **_members_of(tree)} for name, tree in done.late]
    members = {"act_id": str(act.act_id), "acted_at": rfc3339(act.acted_at), "acted_by": act.acted_by}
    return {
        **members,
        **act.details,
        "index": act.details["size"],
        "moved": done.moved,
        "already": done.already,
        "late": late,
    }


def _still_to_do(settings: Settings, name: str) -> list[str]:
    log: LogSettings = settings.log
    found = []
    if log.origin not in (None, name):
        found.append(f"log.origin is still {log.origin}: nothing is signed before it is {name}")
    if all(key.name != name for key in keys_of(log)):
        found.append(
            f"log.key_file has no key of {name} here: nothing is signed before the service has one "
            f"(`datastorage log keygen {name}`)"
        )
    return found


def _members_of(tree: Remembered) -> dict[str, object]:
    return {"origin": tree.origin, "size": tree.size, "root": tree.root.hex()}


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"the memory in {name}" for name in names)
