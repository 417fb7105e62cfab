"""The core against the naive market: seeded streams, and some drawn by hypothesis."""

import struct
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hotpath.core.engine import Engine
from shared.domain import records as r
from tests.reference import canonical, compare
from tests.reference.engine import NaiveEngine
from tests.reference.generator import Generator
from tests.reference.invariants import check
from tests.reference.planted_faults import FAULTS, ROOT, run
from tests.support.core_script import ACCOUNTS, Desk, order_id, words_of
from tests.support.fast_engine import FastEngine

WORD = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from(
    [0, 1, -1, 100, 1 << 62, (1 << 62) - 1, 1 << 40, (1 << 31) - 1]
)


@pytest.mark.parametrize("seed", [101, 102])
def test_seeded_streams_give_no_difference(seed: int) -> None:
    outcome = compare.run(seed, commands=1_500, check_every=1)
    assert not outcome.difference
    assert outcome.commands == 1_500


def test_the_command_compares_every_build_that_there_is() -> None:
    command = [sys.executable, "-m", "tests.reference", "--commands", "400", "--seeds", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("commands=400 differences=0 (naive")


def test_a_planted_fault_is_found() -> None:
    fault = next(fault for fault in FAULTS if "replenish" in fault.sound)
    assert 0 < run(fault, most=50_000)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(WORD, min_size=16, max_size=16), min_size=1, max_size=20))
def test_no_words_whatever_make_the_core_raise_or_differ(commands: list[list[int]]) -> None:
    fast, naive = FastEngine(), NaiveEngine()
    Desk(fast).open_market()
    Desk(naive).open_market()
    for words in commands:
        assert fast.apply_words(words) == naive.apply_words(words)
    assert fast.core.state_hash() == canonical.state_hash(naive.market)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(30, 1_500))
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(seed: int, cut: int) -> None:
    generator, engine = Generator(seed), Engine()
    for _ in range(cut):
        generator.observe(engine.apply_words(generator.draw()))
    snapshot = engine.snapshot_bytes()
    restored = Engine()
    restored.restore(snapshot)
    assert restored.snapshot_bytes() == snapshot
    for _ in range(300):
        words = generator.draw()
        events = engine.apply_words(words)
        assert restored.apply_words(words) == events
        generator.observe(events)
    assert restored.state_hash() == engine.state_hash()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_snapshot_is_refused(data: st.DataObject) -> None:
    engine = FastEngine()
    Desk(engine).open_market()
    snapshot = bytearray(engine.core.snapshot_bytes())
    if data.draw(st.booleans()):
        snapshot[data.draw(st.integers(0, len(snapshot) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del snapshot[data.draw(st.integers(0, len(snapshot) - 1)) :]
    with pytest.raises(ValueError, match="damaged"):
        Engine().restore(bytes(snapshot))


def test_a_snapshot_is_words_of_64_bits() -> None:
    engine = FastEngine()
    Desk(engine).open_market()
    data = engine.core.snapshot_bytes()
    words = struct.unpack(f"<{len(data) // 8}q", data)
    assert words[3] == engine.core.sequence
    with pytest.raises(ValueError, match="new engine"):
        engine.core.restore(data)


class BothEngines(RuleBasedStateMachine):
    """Orders of three members in one instrument, drawn and shrunk by hypothesis."""

    @initialize()
    def open_market(self) -> None:
        self.fast, self.naive = FastEngine(max_work=4), NaiveEngine(max_work=4)
        self.desks = [Desk(engine).open_market() for engine in (self.fast, self.naive)]
        self.numbers = dict.fromkeys("ABC", 0)

    def _send(self, line: str) -> None:
        fast, naive = (desk.send_line(line) for desk in self.desks)
        assert fast == naive

    @rule(
        account=st.sampled_from("ABC"),
        side=st.sampled_from(["buy", "sell"]),
        lots=st.integers(1, 40),
        price=st.integers(95, 105),
        terms=st.sampled_from(
            [
                "",
                "ioc",
                "fok",
                "day",
                "hidden",
                "post",
                "show=3",
                "min=5",
                "close",
                "stp=oldest",
                "stp=decrement",
                "stp=both",
                "peg=mid",
                "peg=primary offset=1",
                "stop=101",
                "stop=99",
            ]
        ),
    )
    def place(self, account: str, side: str, lots: int, price: int, terms: str) -> None:
        self.numbers[account] += 1
        shown = terms if terms != "show=3" else f"show={min(3, lots)}"
        shown = shown if terms != "min=5" else f"min={min(5, lots)}"
        self._send(f"{account}{self.numbers[account]} {side} {lots} @{price} {shown}")

    @rule(
        account=st.sampled_from("ABC"),
        side=st.sampled_from(["buy", "sell"]),
        lots=st.integers(1, 40),
        terms=st.sampled_from(["market ioc", "mtl", "trail=2", "stop=102", "stop=98"]),
    )
    def place_without_limit(self, account: str, side: str, lots: int, terms: str) -> None:
        self.numbers[account] += 1
        self._send(f"{account}{self.numbers[account]} {side} {lots} {terms}")

    @rule(
        account=st.sampled_from("ABC"),
        kind=st.sampled_from(["oco", "after"]),
        side=st.sampled_from(["buy", "sell"]),
        other=st.integers(1, 12),
        price=st.integers(95, 105),
    )
    def link(self, account: str, kind: str, side: str, other: int, price: int) -> None:
        self.numbers[account] += 1
        number = self.numbers[account]
        self._send(f"{account}{number} {side} 7 @{price} {kind}={account}{other}")

    @rule(account=st.sampled_from("ABC"), number=st.integers(1, 12))
    def cancel(self, account: str, number: int) -> None:
        self._send(f"{account}{number} cancel")

    @rule(
        account=st.sampled_from("ABC"),
        number=st.integers(1, 12),
        lots=st.integers(1, 40),
        price=st.integers(95, 105),
    )
    def change(self, account: str, number: int, lots: int, price: int) -> None:
        self._send(f"{account}{number} replace {lots} @{price}")

    @rule(
        line=st.sampled_from(
            [
                *("A mass-cancel", "B mass-cancel all sell", "continue", "indicative"),
                *("session closing_auction", "session volatility_auction", "session halted"),
                *("session continuous", "uncross continuous", "A group 1", "B group 1"),
                "C margin 200",
            ]
        )
    )
    def govern(self, line: str) -> None:
        self._send(line)

    @invariant()
    def states_agree(self) -> None:
        if hasattr(self, "desks"):
            check(self.naive.market, {ACCOUNTS["C"]})
            assert self.fast.core.state_hash() == canonical.state_hash(self.naive.market)


TestBothEngines = BothEngines.TestCase
TestBothEngines.settings = settings(deadline=None, max_examples=20, stateful_step_count=40)


def test_a_batch_of_64_commands_is_applied_and_one_more_is_not() -> None:
    fast, naive = FastEngine(), NaiveEngine()
    for engine in (fast, naive):
        Desk(engine).open_market()
    for count in (64, 65):
        inner = [
            words_of(
                r.PLACE_ORDER,
                {"order_type": r.LIMIT, "tif": r.GTC, "instrument": 1},
                {r.C_ACCOUNT: 1, r.C_ID: order_id(f"A{count * 100 + n}"), 3: 90, 4: 1},
            )
            for n in range(1, count + 1)
        ]
        values = {r.C_ACCOUNT: 1, r.C_QUANTITY: count, r.C_SEQUENCE: 1000 + count}
        batch = words_of(r.BATCH, {}, values) + [word for one in inner for word in one]
        assert fast.apply_words(batch) == naive.apply_words(batch)
