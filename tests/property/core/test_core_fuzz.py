"""The core against the naive book: seeded streams of commands, and some drawn by hypothesis."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hotpath.core.api import Engine
from shared.domain import ids
from shared.domain import records as r
from tests.reference import canonical, fuzz
from tests.reference.command_mix import CommandMix
from tests.reference.invariants import check_invariants
from tests.reference.naive_book import NaiveEngine
from tests.support.core_script import ACCOUNTS, INSTRUMENT, Desk

WORD = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from(
    [0, 1, -1, 100, 1 << 62, (1 << 62) - 1, 1 << 40, (1 << 31) - 1]
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_seeded_streams_give_no_difference(seed: int) -> None:
    outcome = fuzz.run(seed, commands=3_000, check_every=100)
    assert not outcome.difference
    assert outcome.commands == 3_000


def test_the_seeded_stream_reaches_every_event_and_refusal() -> None:
    seen = {name for seed in range(1, 6) for name in fuzz.run(seed, 4_000, 4_000).events}
    missing = fuzz.every_name() - seen
    assert not missing


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(WORD, min_size=16, max_size=16), min_size=1, max_size=20))
def test_no_words_whatever_make_the_core_raise_or_differ(commands: list[list[int]]) -> None:
    fast, naive = Engine(), NaiveEngine()
    Desk(fast).open_market()
    Desk(naive).open_market()
    for words in commands:
        assert fast.apply_words(words) == naive.apply_words(words)
    check_invariants(fast)
    assert fast.state_hash() == canonical.state_hash(naive)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(30, 1_500))
def test_a_restored_engine_goes_on_as_if_it_had_never_stopped(seed: int, cut: int) -> None:
    mix, engine = CommandMix(seed), Engine()
    for _ in range(cut):
        mix.observe(engine.apply_words(mix.draw()))
    snapshot = engine.snapshot_bytes()
    restored = Engine()
    restored.restore(snapshot)
    assert restored.snapshot_bytes() == snapshot
    check_invariants(restored)
    for _ in range(300):
        words = mix.draw()
        events = engine.apply_words(words)
        assert restored.apply_words(words) == events
        mix.observe(events)
    assert restored.state_hash() == engine.state_hash()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_snapshot_is_refused(data: st.DataObject) -> None:
    engine = Engine()
    Desk(engine).open_market()
    snapshot = bytearray(engine.snapshot_bytes())
    if data.draw(st.booleans()):
        snapshot[data.draw(st.integers(0, len(snapshot) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del snapshot[data.draw(st.integers(0, len(snapshot) - 1)) :]
    with pytest.raises(ValueError, match="damaged"):
        Engine().restore(bytes(snapshot))


def test_a_snapshot_is_words_of_64_bits() -> None:
    engine = Engine()
    Desk(engine).open_market()
    data = engine.snapshot_bytes()
    words = struct.unpack(f"<{len(data) // 8}q", data)
    assert words[3] == engine.sequence
    with pytest.raises(ValueError, match="new engine"):
        engine.restore(data)


class BothEngines(RuleBasedStateMachine):
    """Well-formed orders of three members, drawn and shrunk by hypothesis."""

    @initialize()
    def open_market(self) -> None:
        self.fast, self.naive = Engine(), NaiveEngine()
        self.desks = [Desk(engine).open_market() for engine in (self.fast, self.naive)]
        self.numbers = dict.fromkeys(ACCOUNTS.values(), 0)

    def _send(self, words: list[int]) -> None:
        fast, naive = (desk.send_words(words) for desk in self.desks)
        assert fast == naive

    @rule(
        account=st.sampled_from(sorted(ACCOUNTS.values())),
        side=st.sampled_from([r.BUY, r.SELL]),
        lots=st.integers(1, 40),
        price=st.integers(95, 105),
        tif=st.sampled_from([r.GTC, r.IOC]),
    )
    def place(self, account: int, side: int, lots: int, price: int, tif: int) -> None:
        self.numbers[account] += 1
        header = r.pack_command_header(r.PLACE_ORDER, side, r.LIMIT, tif, 0, INSTRUMENT)
        order_id = ids.member_order_id(account, self.numbers[account])
        self._send([header, account, order_id, price, lots, 0, 0, 0])

    @rule(account=st.sampled_from(sorted(ACCOUNTS.values())), number=st.integers(1, 12))
    def cancel(self, account: int, number: int) -> None:
        header = r.pack_command_header(r.CANCEL_ORDER, instrument=INSTRUMENT)
        self._send([header, account, ids.member_order_id(account, number), 0, 0, 0, 0, 0])

    @rule(
        account=st.sampled_from(sorted(ACCOUNTS.values())),
        number=st.integers(1, 12),
        lots=st.integers(1, 40),
        price=st.integers(95, 105),
    )
    def change(self, account: int, number: int, lots: int, price: int) -> None:
        header = r.pack_command_header(r.REPLACE_ORDER, instrument=INSTRUMENT)
        order_id = ids.member_order_id(account, number)
        self._send([header, account, order_id, price, lots, 0, 0, 0])

    @rule(account=st.sampled_from(sorted(ACCOUNTS.values())))
    def cancel_all(self, account: int) -> None:
        header = r.pack_command_header(r.MASS_CANCEL, instrument=INSTRUMENT)
        self._send([header, account, 0, 0, 0, 0, 0, 0])

    @invariant()
    def states_agree(self) -> None:
        if hasattr(self, "desks"):
            check_invariants(self.fast)
            assert self.fast.state_hash() == canonical.state_hash(self.naive)


TestBothEngines = BothEngines.TestCase
TestBothEngines.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
