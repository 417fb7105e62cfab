"""`trading journal`: look into the engine's journal, prove it, rebuild a moment from it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from hotpath import build
from infra.local import settings
from infra.local.errors import StackError

_FOLDER = click.option(
    "--journal",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the journal; without it, the stack's.",
)
_SHARD = click.option("--shard", type=click.IntRange(0, 63), default=0, show_default=True)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.group()
def journal() -> None:
    """Inspect, verify and replay the engine's journal, also while the engine runs."""


@journal.command()
@click.option("--from", "first", default=1, show_default=True, help="First sequence.")
@click.option("--limit", default=50, show_default=True, help="How many commands; 0 for all.")
@_FOLDER
@_SHARD
@_JSON
def inspect(first: int, limit: int, folder: Path | None, shard: int, as_json: bool) -> None:
    """Print commands and their events, one a line."""
    shown = 0
    with _view() as view:
        for command in view.commands(_folder(folder, shard)):
            if command.sequence < first:
                continue
            if limit and shown == limit:
                break
            shown += 1
            click.echo(json.dumps(view.document(command)) if as_json else view.line(command))


@journal.command()
@_FOLDER
@_SHARD
@_JSON
def verify(folder: Path | None, shard: int, as_json: bool) -> None:
    """Check every byte, then replay everything and compare the events with those journaled."""
    with _view() as view:
        _print(view.replayed(_folder(folder, shard)), as_json)


@journal.command()
@click.option("--until", type=click.IntRange(min=0), required=True, help="Last sequence to apply.")
@click.option("--book", "instrument_id", type=int, help="Show this instrument's book as it was.")
@_FOLDER
@_SHARD
@_JSON
def replay(
    until: int, instrument_id: int | None, folder: Path | None, shard: int, as_json: bool
) -> None:
    """Rebuild the state as it was behind a sequence, from the snapshot before it if there is one;
    print its hash, and a book if asked."""
    with _view() as view:
        _print(view.replayed(_folder(folder, shard), until, instrument_id), as_json)


@journal.command()
@click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--from-engine",
    is_flag=True,
    help="Have the running engine write its own state, for a journal that cannot be read any more."
    " It pauses meanwhile.",
)
@_FOLDER
@_SHARD
@_JSON
def snapshot(keep: int, from_engine: bool, folder: Path | None, shard: int, as_json: bool) -> None:
    """Write a snapshot of what is durable, from the last one and the journal behind it."""
    if from_engine:
        from infra.journal.from_engine import snapshot_from_engine

        _print(snapshot_from_engine(_folder(folder, shard)), as_json)
        return
    with _view() as view:
        _print(view.write_snapshot(_folder(folder, shard), keep), as_json)


@journal.command()
@_FOLDER
@_SHARD
@_JSON
def upgrade(folder: Path | None, shard: int, as_json: bool) -> None:
    """Carry a journal of rules 1 over to this release. The engine must be stopped."""
    with _view():
        from infra.journal.upgrade import upgrade as carry_over

        path = carry_over(_folder(folder, shard))
    _print({"snapshot": str(path)}, as_json)


@journal.command()
@click.option("--from", "first", type=click.IntRange(min=1), required=True, help="First sequence.")
@click.option("--into", "prefix", required=True, help="The topics are named PREFIX.order-events …")
@click.option("--stream", "url", help="URL of the event stream; without it, the stack's.")
@_FOLDER
@_SHARD
@_JSON
def republish(
    first: int, prefix: str, url: str | None, folder: Path | None, shard: int, as_json: bool
) -> None:
    """Publish from a sequence on once more, into topics of another name. May be repeated."""
    with _view():
        from hotpath.runtime.publisher import republish as again
        from shared.ports.event_stream import StreamError
        from shared.streams import open_stream

        stream = open_stream(url or settings.load().stream_url)
        try:
            shards = settings.load().shards
            count = again.republish(_folder(folder, shard), stream, first, prefix, shards)
        except StreamError as error:
            raise StackError(str(error)) from error
        finally:
            stream.close()
    _print({"prefix": prefix, "from": first, "messages": count}, as_json)


@contextmanager
def _view() -> Iterator[ModuleType]:
    """Yield infra.journal.view: it loads the core, so the build is chosen first."""
    try:
        build.select_core()
        from infra.journal import view
        from shared.wire.journal import JournalError
    except build.CoreBuildError as error:
        raise StackError(str(error)) from error
    try:
        yield view
    except (JournalError, view.UnknownInstrument) as error:
        raise StackError(str(error)) from error


def _folder(given: Path | None, shard: int) -> Path:
    folder = given or settings.load().journal_of(shard)
    if not folder.is_dir():
        raise StackError(f"there is no journal at {folder}")
    return folder


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
