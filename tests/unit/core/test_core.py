"""The core: a function of its commands, true to the tables of codes and orders."""

import ast
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import codes, validity
from hotpath.core.engine import Engine
from hotpath.core.ladder import Ladder
from hotpath.core.layout import L_HEAD
from hotpath.core.trees import N_ZERO, Trees
from shared.domain import records as r
from shared.domain.order_rules import order_rules
from shared.domain.reject_codes import CancelReason, ExpiryReason, PriceLimit, RejectCode
from tests.reference.generator import Generator

ROOT = Path(__file__).parents[3]
CORE = sorted((ROOT / "hotpath/core").glob("*.py"))
ALLOWED_IMPORTS = ("typing", "librt", "mypy_extensions", "hotpath.core", "shared.domain")
SNAPSHOT_IMPORTS = ("hashlib",)
FORBIDDEN_NAMES = {"hash", "id", "set", "frozenset", "float", "time", "random", "open", "eval"}
REASONS = {"CANCEL_": CancelReason, "EXPIRED_": ExpiryReason, "LIMIT_": PriceLimit}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_no_source_of_chance_is_in_the_core(path: Path) -> None:
    packs = path.stem in ("snapshot", "restore")
    allowed = ALLOWED_IMPORTS + (SNAPSHOT_IMPORTS if packs else ())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Set | ast.SetComp | ast.Div), where
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float | complex), where
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith(allowed), f"{where} imports {name}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_NAMES, where


def test_the_plain_codes_are_those_of_the_enumerations() -> None:
    ours = {name: value for name, value in vars(codes).items() if name.isupper()}
    refusals = {n: value for n, value in ours.items() if not n.startswith(tuple(REASONS))}
    assert refusals.pop("ACCEPTED") == 0
    assert refusals == {code.name: int(code) for code in RejectCode}
    for prefix, reasons in REASONS.items():
        values = [value for name, value in ours.items() if name.startswith(prefix)]
        assert sorted(values) == sorted(map(int, reasons))


def test_every_combination_is_judged_as_the_table_says() -> None:
    rules = order_rules()
    for combination, code in rules.table().items():
        kind = rules.values["type"].index(combination.type) + 1
        time = rules.values["time_in_force"].index(combination.time_in_force) + 1
        session = rules.values["session"].index(combination.session) + 1
        mode = rules.values["self_trade"].index(combination.self_trade)
        flags = sum(1 << rules.values["flags"].index(flag) for flag in combination.flags)
        judged = validity.never_valid(kind, time, mode, flags)
        judged = judged or validity.not_now(kind, time, flags, session)
        assert judged == (code or 0), combination


def stamped_commands(seed: int, count: int) -> list[list[int]]:
    """Return commands as the sequencer would have journaled them."""
    commands: list[list[int]] = []
    generator, engine = Generator(seed), Engine()
    while len(commands) < count:
        words = generator.draw()
        commands.append(words)
        generator.observe(engine.apply_words(words))
    return commands


def packed(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}q", *words)


def test_all_ways_in_give_the_same_events_and_state() -> None:
    commands = stamped_commands(3, 1_000)
    by_words, by_bytes, by_stamp, at_once, ahead = (Engine() for _ in range(5))
    ahead.look_ahead.from_orders = 0
    for words in commands:
        by_words.apply_words(words)
        by_bytes.apply_bytes(b"header" + packed(words), 6)
        unstamped = list(words)
        unstamped[r.C_SEQUENCE], unstamped[r.C_TIME_NS] = -5, -6
        stamps = (words[r.C_SEQUENCE], words[r.C_TIME_NS])
        by_stamp.apply_stamped(packed(unstamped), 0, *stamps)
    flat = [word for words in commands for word in words]
    at_once.apply_many(vec[i64](flat), 0, len(flat))
    ahead.apply_many(vec[i64](flat), 0, len(flat))
    for engine in (by_bytes, by_stamp, at_once, ahead):
        assert engine.events_bytes() == by_words.events_bytes()
        assert engine.snapshot_bytes() == by_words.snapshot_bytes()


def test_events_pile_up_until_they_are_reset() -> None:
    engine = Engine()
    commands = stamped_commands(4, 60)
    for words in commands:
        engine.apply_words(words)
    everything = engine.events_bytes()
    assert len(everything) == engine.event_count * r.EVENT_WORDS * 8 == engine.event_words * 8
    assert b"".join(packed(list(event)) for event in engine.event_tuples()) == everything
    engine.reset_events()
    assert engine.events_bytes() == b""
    assert engine.sequence == len(commands)


@pytest.mark.parametrize("count", [-1, 0, 1, 2, 64, 65, 1 << 62])
def test_a_batch_is_as_long_as_what_it_says_and_never_longer_than_the_buffer(count: int) -> None:
    batch = [r.BATCH, 1, 0, 0, count, 0, 0, 0]
    plain, extended = [r.CANCEL_ORDER, *[0] * 7], [r.PLACE_ORDER_EXTENDED, *[0] * 15]
    buffer = packed([*batch, *extended, *plain, *plain])
    expected = {1: 24, 2: 32, 64: 40}.get(count, 8)
    assert Engine().batch_words(buffer, 0) == expected
    assert Engine().batch_words(buffer[:72], 0) == min(9, expected)
    engine = Engine()
    engine.apply_stamped(buffer[:72], 0, 1, 1)
    assert engine.event_tuples()[0][0] & 0xFF == r.REJECTED


def test_the_same_commands_give_the_same_hash_in_any_process() -> None:
    """Run the same commands in processes with other hash seeds; all end in one state."""
    outputs = {_run_elsewhere(seed) for seed in ("0", "1", "4242")}
    assert len(outputs) == 1
    assert outputs.pop().startswith("events=")


def _run_elsewhere(hash_seed: str) -> str:
    code = (
        "from hotpath import build; build.select_core()\n"
        "import hashlib\n"
        "from hotpath.core.api import Engine\n"
        "from tests.reference.generator import Generator\n"
        "generator, engine, events = Generator(7), Engine(), hashlib.sha256()\n"
        "for _ in range(3000):\n"
        "    engine.reset_events()\n"
        "    generator.observe(engine.apply_words(generator.draw()))\n"
        "    events.update(engine.events_bytes())\n"
        "print(f'events={events.hexdigest()} state={engine.state_hash()}')\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_a_tree_of_prices_is_in_order_whatever_comes_and_goes() -> None:
    trees, known = Trees(1), set[int]()
    for number in range(2_000):
        key = number * 7_919 % 1_009 * 1_048_583 % (1 << 40)
        leaf = trees.find(0, key)
        assert (leaf != 0) == (key in known)
        if leaf:
            trees.remove(0, leaf)
            known.remove(key)
        else:
            trees.add(0, key, number)
            known.add(key)
    walked, leaf = [], trees.first(0)
    while leaf:
        walked.append(trees.nodes[leaf + N_ZERO])
        leaf = trees.next(leaf)
    assert walked == sorted(known)
    for key in range(0, 1 << 40, 1 << 33):
        after = trees.after(0, key)
        expected = min((other for other in known if other > key), default=0)
        assert (trees.nodes[after + N_ZERO] if after else 0) == expected


def test_a_ladder_that_is_centred_anew_keeps_its_levels() -> None:
    ladder = Ladder(1, 64)
    base = ladder.add_side(3)  # offers of the first instrument
    origin = base - 100  # prices from 100 to 163 are in the window
    prices = (101, 120, 163, 164, 5_000)
    for price in prices:
        at = ladder.at_or_new(3, origin + price, price)
        ladder.levels[at + L_HEAD] = price  # stands for the head of its queue
        ladder.mark(3, origin + price, at)
    for lowest in (120, 4_990, 1, 100):
        moved = base - lowest
        ladder.recentre(3, origin, moved)
        origin = moved
        assert ladder.best[3] == origin + 101
        for price in prices:
            assert ladder.levels[ladder.at(3, origin + price, price) + L_HEAD] == price
