"""Rounds of kills: one journal and one stream each, many engines one after the other."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Final

import redis

from hotpath.runtime import faults
from hotpath.runtime.journal.status_file import StatusFile
from shared.streams import open_stream
from shared.wire.tokens import SCOPES
from tests.chaos import census
from tests.chaos.load import ACCOUNTS, Load
from tests.chaos.power_cut import cut_power
from tests.support.engine import EngineProcess, market, wait_for
from tests.support.publisher import PublisherProcess

RANDOM_MOMENT: Final = "random"
_CUT_EVERY: Final = (0, 2)  # of five kills: 40 % are power cuts
_LOAD_S: Final = (0.15, 0.5)
_PASSAGES: Final = (5, 60)
_DIES_WITHIN_S: Final = 60.0  # on a machine that is busy with other things


class Campaign:
    """Counts what was done and what was found. The same seed makes the same plan."""

    def __init__(self, stream_url: str, broken: str, seed: int) -> None:
        self._stream_url = stream_url
        self._broken = broken
        self._dice = random.Random(seed)
        self.findings = census.Findings()
        self.kills = self.power_cuts = self.spoilt_bytes = self.answered = 0
        self.load_s = 0.0
        self.by_point: Counter[str] = Counter()

    def run_round(self, folder: Path, kills: int) -> None:
        """Kill `kills` times on one journal, then compare everything with what survived."""
        redis.Redis.from_url(self._stream_url).flushall()
        notes = folder / "synced.notes"
        engine = EngineProcess(
            folder,
            "tests.chaos.engine",
            CHAOS_NOTES=str(notes),
            CHAOS_BREAK=self._broken,
            TRADING_SEGMENT_BYTES=str(256 << 10),
        )
        publisher = PublisherProcess(engine, self._stream_url)
        load = Load(self._dice.getrandbits(32))
        try:
            self._open_market(engine)
            for _ in range(kills):
                if not self._kill_once(engine, publisher, load, notes):
                    break
            self._compare(engine, publisher, load)
        finally:
            engine.close()
            publisher.close()

    def progress(self) -> str:
        found = self.findings
        rate = self.answered / max(self.load_s, 0.001)
        return (
            f"kills={self.kills} power_cuts={self.power_cuts} {rate:.0f} commands/s "
            f"lost={found.lost} changed={found.changed} duplicated={found.duplicated}"
        )

    def report(self) -> list[str]:
        points = " ".join(f"{name}={count}" for name, count in sorted(self.by_point.items()))
        rate = self.answered / max(self.load_s, 0.001)
        return [
            f"kills by moment: {points}",
            f"power cuts in mode fsync: {self.power_cuts}, {self.spoilt_bytes} bytes spoilt",
            f"load: {self.answered} answers, {rate:.0f} a second while an engine was up",
        ]

    def _open_market(self, engine: EngineProcess) -> None:
        engine.start(TRADING_DURABILITY="fsync")
        with engine.client() as client:
            client.submit_many(market(accounts=ACCOUNTS, cash_minor=10**15, lots=10**9))
        engine.stop()

    def _kill_once(
        self, engine: EngineProcess, publisher: PublisherProcess, load: Load, notes: Path
    ) -> bool:
        """Start, load, kill; return False when journal or stream cannot be gone on with."""
        number = self.kills
        # Only a power cut tells an engine that lies from one that does not.
        is_cut = bool(self._broken) or number % 5 in _CUT_EVERY
        point = RANDOM_MOMENT if number % 2 else faults.POINTS[number // 2 % len(faults.POINTS)]
        fault = f"{point}:{self._dice.randint(*_PASSAGES)}"
        durability = "fsync" if is_cut or self._dice.random() < 0.5 else "os"
        engine_fault = fault if point not in (RANDOM_MOMENT, faults.PUBLISHED) else ""
        try:
            engine.start(TRADING_DURABILITY=durability, TRADING_FAULT=engine_fault)
        except AssertionError:
            self.findings.add("lost", f"the engine does not start: {engine.log()[-300:]}")
            return False
        if point == faults.PUBLISHED:
            publisher.close()  # one that lived through the last kill has no fault set
        if not publisher.is_running:
            publisher.start(fault if point == faults.PUBLISHED else "")
            if self._broken:
                publisher.wait_open()  # or it may begin too late to tell anything
        if self._note_diverged(publisher):
            return False
        before_s, before = load.seconds, load.sent
        sender = load.start(engine.address, engine.issuer.service(SCOPES))
        self._wait_for_death(engine, publisher, point)
        if self._broken and publisher.is_running:
            self._let_publish(engine, publisher)
        if is_cut:
            publisher.close()
        sender.join(_DIES_WITHIN_S)
        assert not sender.is_alive(), "the load ends with the engine"
        if is_cut:
            self.spoilt_bytes += cut_power(engine.journal, notes, self._dice)
            self.power_cuts += 1
        self.kills += 1
        self.by_point[point] += 1
        self.load_s += load.seconds - before_s
        self.answered += load.sent - before
        return True

    def _let_publish(self, engine: EngineProcess, publisher: PublisherProcess) -> None:
        """Let the publisher tell all that it may: what is told too early is then surely found."""
        with StatusFile(engine.journal, create=False) as status:
            wait_for(
                lambda: (
                    status.published_sequence >= status.durable_sequence or not publisher.is_running
                ),
                "all is told",
                30.0,
            )

    def _note_diverged(self, publisher: PublisherProcess) -> bool:
        """Note and return whether the publisher found other things in the stream than it may."""
        if not publisher.has_diverged:
            return False
        self.findings.add("changed", "the stream holds what the journal does not tell")
        return True

    def _wait_for_death(
        self, engine: EngineProcess, publisher: PublisherProcess, point: str
    ) -> None:
        """Return when the engine is dead: by its fault, or killed here."""
        if point == RANDOM_MOMENT:
            time.sleep(self._dice.uniform(*_LOAD_S))  # the moment is what is tested
            if self._dice.random() < 0.3 and not self._broken:
                publisher.close()
        elif point == faults.PUBLISHED:
            wait_for(lambda: not publisher.is_running, "the publisher dies", _DIES_WITHIN_S)
        else:
            wait_for(lambda: not engine.is_running, f"the engine dies: {point}", _DIES_WITHIN_S)
        engine.close()

    def _compare(self, engine: EngineProcess, publisher: PublisherProcess, load: Load) -> None:
        """Start all once more, let the publisher finish, and compare three records of the day."""
        try:
            engine.start(TRADING_DURABILITY="fsync")
        except AssertionError:
            self.findings.add("lost", f"the engine does not start: {engine.log()[-300:]}")
        journal = census.read_journal(engine.journal, self.findings)
        census.check_answers(load.answered, journal, self.findings)
        census.check_ids(journal, self.findings)
        if not engine.is_running:
            return
        if not publisher.is_running:
            publisher.start()
        with StatusFile(engine.journal, create=False) as status:
            wait_for(
                lambda: status.published_sequence >= len(journal) or publisher.has_diverged,
                "all is published",
                60.0,
            )
        self._note_diverged(publisher)
        stream = open_stream(self._stream_url)
        census.check_stream(stream, journal, self.findings)
        stream.close()
