"""`trading journal`: look into the engine's journal, prove it, rebuild a moment from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hotpath import build
from infra.local import settings
from infra.local.errors import StackError
from shared.domain import records as r
from shared.wire.journal import EPOCH, JournaledCommand, JournalError, Record

_FOLDER = click.option(
    "--journal",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the journal; without it, the stack's.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.group()
def journal() -> None:
    """Inspect, verify and replay the engine's journal. Reads only, also while the engine runs."""


@journal.command()
@click.option("--from", "first", default=1, show_default=True, help="First sequence.")
@click.option("--limit", default=50, show_default=True, help="How many commands; 0 for all.")
@_FOLDER
@_JSON
def inspect(first: int, limit: int, folder: Path | None, as_json: bool) -> None:
    """Print commands and their events, one a line."""
    shown = 0
    for command in _commands(_folder(folder)):
        if command.sequence < first:
            continue
        if limit and shown == limit:
            break
        shown += 1
        click.echo(json.dumps(_document(command)) if as_json else _line(command))


@journal.command()
@_FOLDER
@_JSON
def verify(folder: Path | None, as_json: bool) -> None:
    """Check every byte, then replay everything and compare the events with those journaled."""
    _print(_replayed(_folder(folder), None), as_json)


@journal.command()
@click.option("--until", type=click.IntRange(min=0), required=True, help="Last sequence to apply.")
@click.option("--book", "instrument_id", type=int, help="Show this instrument's book as it was.")
@_FOLDER
@_JSON
def replay(until: int, instrument_id: int | None, folder: Path | None, as_json: bool) -> None:
    """Rebuild the state as it was behind a sequence; print its hash, and a book if asked."""
    _print(_replayed(_folder(folder), until, instrument_id), as_json)


def _folder(given: Path | None) -> Path:
    folder = given or settings.load().journal
    if not folder.is_dir():
        raise StackError(f"there is no journal at {folder}")
    return folder


def _records(folder: Path) -> Iterator[Record]:
    from hotpath.runtime.journal_reader import JournalScan

    try:
        for _, _, record in JournalScan(folder):
            yield record
    except JournalError as error:
        raise StackError(str(error)) from error


def _commands(folder: Path) -> Iterator[JournaledCommand]:
    for record in _records(folder):
        if record.kind != EPOCH:
            yield from record.commands()


def _replayed(folder: Path, until: int | None, instrument_id: int | None = None) -> dict[str, Any]:
    build.select_core()
    from hotpath.runtime.recovery import recover

    try:
        recovered = recover(folder, until=until)
    except JournalError as error:
        raise StackError(str(error)) from error
    engine = recovered.engine
    found: dict[str, Any] = {
        "sequence": engine.sequence,
        "epoch": recovered.tail.epoch,
        "state_hash": f"{engine.state_hash():016x}",
        "open_orders": engine.open_order_count,
        "torn_bytes": recovered.tail.torn_bytes,
        "compiled": build.core_build().compiled,
    }
    if instrument_id is not None:
        levels = engine.queries.book_levels(instrument_id, 0)
        if levels is None:
            raise StackError(f"instrument {instrument_id} is not known at that sequence")
        found["bids"], found["asks"] = levels
    return found


def _document(command: JournaledCommand) -> dict[str, Any]:
    return {
        "sequence": command.sequence,
        "time_ns": command.time_ns,
        "kind": _COMMANDS.get(command.words[r.C_HEADER] & 0xFF, "UNKNOWN"),
        "words": command.words,
        "events": command.events,
        "trace_id": command.trace[:16].hex(),
    }


def _line(command: JournaledCommand) -> str:
    kind = _COMMANDS.get(command.words[r.C_HEADER] & 0xFF, "UNKNOWN")
    events = " ".join(_EVENTS.get(event[0] & 0xFF, "UNKNOWN") for event in command.events)
    account, number = command.words[r.C_ACCOUNT], command.words[r.C_ID]
    return f"{command.sequence:>10}  {kind:<20} account {account} id {number}: {events}"


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        if name in ("bids", "asks"):
            click.echo(f"{name}:")
            for price_ticks, lots, orders in value:
                click.echo(f"  {price_ticks:>12} {lots:>12} lots in {orders} orders")
        else:
            click.echo(f"{name:<12} {value}")


def _names(first: str, last: str) -> dict[int, str]:
    """Return the names of the constants of records.py from `first` to `last`, by value."""
    constants = [(name, value) for name, value in vars(r).items() if name.isupper()]
    names = [name for name, _ in constants]
    section = constants[names.index(first) : names.index(last) + 1]
    return {value: name for name, value in section if name != "FIRST_EXTENDED_KIND"}


_COMMANDS = _names("PLACE_ORDER", "SET_LIMITS")
_EVENTS = _names("ORDER_ACCEPTED", "MASS_CANCELLED")
