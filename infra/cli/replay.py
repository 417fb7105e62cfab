"""`trading replay`: recorded order flow into the running engine."""

import asyncio
import json
from pathlib import Path

import click

from infra.local import databases, keys, settings
from infra.local.errors import StackError
from infra.local.opening_balances import OpeningBalances
from infra.local.provision import engine_client
from infra.replay import accounts
from infra.replay.lobster import Figures, LobsterReplay
from infra.replay.lobster_file import LobsterFileError, read_messages
from shared.domain.instruments import Instrument
from shared.ports.engine import EngineError
from shared.reference import instruments
from shared.wire.tokens import TokenIssuer

_TIMEOUT_MS = 30_000


@click.group()
def replay() -> None:
    """Replay recorded order flow through the order-entry protocol."""


@replay.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--symbol", required=True, help="The instrument into whose book it goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def lobster(file: Path, symbol: str, as_json: bool) -> None:
    """Replay a LOBSTER message file, gzipped or not."""
    instrument = instruments().by_symbol.get(symbol)
    if instrument is None:
        raise StackError(f"{symbol} is no instrument of this platform")
    try:
        figures = _run(file, instrument)
    except (accounts.ReplayRefused, LobsterFileError, EngineError) as error:
        raise StackError(str(error)) from error
    document = figures.document()
    if as_json:
        click.echo(json.dumps(document))
    else:
        for name, value in document.items():
            click.echo(f"{name:<18} {value}")


def _run(file: Path, instrument: Instrument) -> Figures:
    stack = settings.load()
    key = keys.engine_signing_key(stack).encode()
    address = stack.address("engine", instrument.shard % stack.shards)
    with engine_client(stack, _TIMEOUT_MS) as engine:
        funding = OpeningBalances(databases.service_dsn(stack, "payments"), engine)
        run = accounts.prepare(engine, funding, instrument)
        _tell(f"run {run.number + 1}: accounts funded, book empty")
        try:
            return asyncio.run(_replay(file, instrument, address, TokenIssuer(key), run))
        finally:
            for account_id in accounts.ACCOUNTS:
                accounts.cancel_all(engine, account_id, instrument.instrument_id)


async def _replay(
    file: Path, instrument: Instrument, address: str, issuer: TokenIssuer, run: accounts.Run
) -> Figures:
    player = LobsterReplay(instrument, run)
    await player.connect(address, issuer)
    try:
        figures = await player.run(read_messages(file, instrument), _tell)
    finally:
        await player.close()
    if figures.refused or figures.best_differed:
        _tell(
            f"{figures.refused} commands were refused; the best prices differed after"
            f" {figures.best_differed} messages"
        )
    return figures


def _tell(text: str) -> None:
    click.echo(text, err=True)
