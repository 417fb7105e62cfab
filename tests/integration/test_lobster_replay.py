"""Recorded order flow through the order-entry protocol: the figures that a correct book gives."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.replay import accounts
from infra.replay.lobster import Figures, LobsterReplay
from infra.replay.lobster_file import LobsterFileError, read_messages
from shared.domain import records as r
from shared.domain.instruments import Instrument
from shared.hotpath_client import SyncEngineClient
from shared.reference import instruments
from tests.support.engine import EngineProcess, engine_process, limit_order, market
from tests.support.replay import EngineFunding

SAMPLE = Path(__file__).resolve().parents[3] / (
    "shared/data/lobster_aapl_2012-06-21_0930-1030_message_50.csv.gz"
)
AAPL = instruments().by_symbol["AAPL"]

SMALL = """\
1.0,1,10,100,5850000,1
1.1,1,11,50,5850000,1
1.2,1,12,70,5860000,-1
1.3,2,10,40,5850000,1
1.4,4,10,60,5850000,1
1.5,4,12,30,5860000,-1
1.6,5,0,10,5855500,1
1.7,3,99,10,5850000,1
1.8,1,13,20,5850000,1
1.9,4,13,20,5850000,1
2.0,3,11,50,5850000,1
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path, TRADING_SEGMENT_BYTES=str(64 << 20)) as started:
        with started.client() as client:
            client.submit_many(instruments().engine_commands())
        yield started


def replay(engine: EngineProcess, file: Path, instrument: Instrument = AAPL) -> Figures:
    with engine.client(timeout_ms=30_000) as client:
        run = accounts.prepare(client, EngineFunding(client), instrument)

    async def play() -> Figures:
        player = LobsterReplay(instrument, run)
        await player.connect(engine.address, engine.issuer)
        try:
            return await player.run(read_messages(file, instrument), lambda _text: None)
        finally:
            await player.close()

    return asyncio.run(play())


def test_a_small_flow_is_counted_message_by_message(engine: EngineProcess, tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    for _ in range(2):  # the second run clears what the first one left
        found = replay(engine, file).document()
        del found["seconds"], found["ack_us"]
        assert found == {
            "adds": 4,
            "adds_traded": 0,
            "cancels": 2,
            "executions": 3,
            "executions_exact": 2,  # order 13 stood behind order 11
            "skipped": 2,
            "book_equal": True,
        }


def test_a_book_in_which_others_rest_is_refused(engine: EngineProcess, tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_text(SMALL)
    with engine.client() as client:
        client.submit_many(market()[1:])
        answer = client.submit(limit_order(1, 1, r.BUY, 40_000, 1))
        assert answer.events[0].kind == r.ORDER_ACCEPTED
    with pytest.raises(accounts.ReplayRefused, match="1 orders of other accounts rest in AAPL"):
        replay(engine, file)


def test_an_instrument_that_the_engine_does_not_know_is_refused(tmp_path: Path) -> None:
    with engine_process(tmp_path) as started, started.client() as client:
        refused = pytest.raises(accounts.ReplayRefused, match="does not know AAPL")
        with refused:
            prepare(client)


def prepare(client: SyncEngineClient) -> None:
    accounts.prepare(client, EngineFunding(client), AAPL)


@pytest.mark.parametrize(
    "line", ["1.0,9,1,1,5850000,1", "1.0,1,1,1,5850050,1", "1.0,1,1,1,5850000,2", "x", ""]
)
def test_a_line_that_is_no_message_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "bad.csv.gz"
    file.write_bytes(gzip.compress(f"1.0,1,10,100,5850000,1\n{line}\n1.0,x".encode()))
    with pytest.raises(LobsterFileError, match=r"bad.csv.gz, line [23]"):
        list(read_messages(file, AAPL))


@pytest.mark.skipif(not SAMPLE.exists(), reason="the recorded sample is not on this machine")
def test_an_hour_of_aapl_gives_the_figures_of_a_correct_book_twice(engine: EngineProcess) -> None:
    for _ in range(2):
        found = replay(engine, SAMPLE).document()
        seconds, latency = found.pop("seconds"), found.pop("ack_us")
        assert found == {
            "adds": 44_256,
            "adds_traded": 0,
            "cancels": 41_401,
            "executions": 4_055,
            "executions_exact": 4_031,
            "skipped": 2_285,
            "book_equal": True,
        }
        assert seconds < 60
        assert latency["p50"] <= latency["p99"]
