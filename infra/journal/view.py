"""Reads a journal for people and programs: its commands one by one, or the state they lead to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hotpath import build
from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.snapshot_writer import SnapshotWriter
from shared.domain import records as r
from shared.wire.journal import EPOCH, JournaledCommand

Document = dict[str, Any]


class UnknownInstrument(Exception):
    """No command up to the sequence asked for made the instrument known."""


def commands(folder: Path) -> Iterator[JournaledCommand]:
    """Yield every command; raise JournalError where the journal is not sound."""
    for _, _, record in JournalScan(folder):
        if record.kind != EPOCH:
            yield from record.commands()


def replayed(folder: Path, until: int | None = None, instrument_id: int | None = None) -> Document:
    """Return the state behind sequence `until` (None: the end), with a book if one is asked for.

    Raises
    ------
    JournalError
        The journal is not sound, or replaying it gives other events than it holds.
    UnknownInstrument
        There is no such book at that sequence.
    """
    recovered = recover(
        folder, until=until, from_snapshot=until is not None, check_marks=until is None
    )
    engine = recovered.engine
    found: Document = {
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
            raise UnknownInstrument(f"instrument {instrument_id} is not known at that sequence")
        found["bids"], found["asks"] = levels
    return found


def write_snapshot(folder: Path, keep: int) -> Document:
    """Write a snapshot of what is durable; its path is empty when the newest one holds it all.

    Raises
    ------
    JournalError
        The journal is not sound, or replaying it gives other events than it holds.
    """
    path = SnapshotWriter(folder, keep).advance(1)
    return {"snapshot": str(path or ""), "bytes": path.stat().st_size if path else 0}


def document(command: JournaledCommand) -> Document:
    """Return a command with its events as JSON holds it."""
    return {
        "sequence": command.sequence,
        "time_ns": command.time_ns,
        "kind": _kind(command),
        "words": command.words,
        "events": command.events,
        "trace_id": command.trace[:16].hex(),
    }


def line(command: JournaledCommand) -> str:
    """Return a command with its events as one line of text."""
    events = " ".join(_EVENTS.get(event[0] & 0xFF, "UNKNOWN") for event in command.events)
    account, number = command.words[r.C_ACCOUNT], command.words[r.C_ID]
    return f"{command.sequence:>10}  {_kind(command):<20} account {account} id {number}: {events}"


def _kind(command: JournaledCommand) -> str:
    return _COMMANDS.get(command.words[r.C_HEADER] & 0xFF, "UNKNOWN")


def _names(first: str, last: str) -> dict[int, str]:
    """Return the names of the constants of the record layouts, from `first` to `last`, by value."""
    constants = [(name, value) for name, value in vars(r).items() if name.isupper()]
    names = [name for name, _ in constants]
    section = constants[names.index(first) : names.index(last) + 1]
    return {value: name for name, value in section}


_COMMANDS: Final = {
    **_names("PLACE_ORDER", "SET_THROTTLE"),
    **_names("ADD_INSTRUMENT", "SET_TICK_TABLE"),
}
_EVENTS: Final = {
    **_names("ORDER_ACCEPTED", "LEVEL_CHANGED"),
}
