"""The failover demo across hosts: the standby has a journal of its own, made from Kafka's topic.

Each takeover has a shard of its own, on one broker. "Another host" is another folder here: what is
shown is the logic, and not the loss of a host or of a broker.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from infra.demo.failover import (
    KILLED,
    LOST,
    REFUSED,
    WITHIN_S,
    Outcome,
    Takeover,
    compare,
    facts_of,
    wait_until,
)
from infra.demo.failover_load import Load
from infra.local import kafka, keys, runner
from infra.local.part import Part
from infra.local.parts.engine import engine, replicator
from infra.local.parts.standby import standby
from infra.local.process import ProcessRecord
from infra.local.progress import Progress
from infra.local.settings import Settings
from shared.wire.tokens import SCOPES, TokenIssuer

ENDS: Final = (KILLED, LOST)
ENVIRONMENT: Final = {
    "STREAM": "kafka",
    "TRADING_DURABILITY": "replicated",
    "TRADING_STANDBY": "1",
    "STANDBY_PLACEMENT": "other-host",
    "TRADING_SHARDS": str(len(ENDS)),
}


class OtherHostFailover:
    """Runs on a stack's settings: a broker, and for each shard two hosts' engine parts."""

    def __init__(self, settings: Settings, *, rate: int, load_s: float) -> None:
        self._settings = settings
        self._rate, self._load_s = rate, load_s
        self._parts: list[Part] = [kafka.part(settings)]

    def run(self) -> Outcome:
        """Return what happened; nothing runs afterwards."""
        outcome = Outcome(wanted=len(ENDS), is_old_refused=True)
        began_s = time.monotonic()
        try:
            runner.start(self._parts[0])
            for shard, how in enumerate(ENDS):
                self._round(shard, how, outcome)
        finally:
            runner.stop_all(self._parts, Progress(quiet=True))
        outcome.seconds = time.monotonic() - began_s
        return outcome

    def _round(self, shard: int, how: str, outcome: Outcome) -> None:
        settings = self._settings
        first = engine(settings, shard)
        copying = replicator(settings, shard)
        second = standby(settings, shard)
        parts = [copying, first, replicator(settings, shard, is_standbys=True), second]
        self._parts += parts
        for part in parts:
            runner.start(part)
        issuer = TokenIssuer(keys.engine_signing_key(settings).encode())
        address = settings.address("engine", shard)
        load = Load(address, lambda: issuer.service(SCOPES), self._rate, seed=1 + shard)
        load.start()
        try:
            wait_until(lambda: facts_of(settings.standby_health(shard)).get("sequence", 0) > 0)
            time.sleep(self._load_s)  # the load runs
            journal = settings.journal_of(shard)
            kept = self._end(how, (first, copying), journal)
            outcome.takeovers.append(_takeover(how, load))
            if kept is not None:
                kept.rename(journal)
            self._bring_back(first, copying, outcome)
        finally:
            load.stop()
        compare(load, settings.standby_journal_of(shard), outcome)
        runner.stop_all(parts, Progress(quiet=True))

    def _end(self, how: str, parts: tuple[Part, ...], journal: Path) -> Path | None:
        """End a host's processes, and take its disk away where it is lost; return that."""
        for part in parts:
            record = ProcessRecord.read(part.run_file)
            assert record is not None
            os.kill(record.pid, signal.SIGKILL)
        if how != LOST:
            return None
        kept = journal.with_name(f"{journal.name}.kept")
        journal.rename(kept)
        shutil.rmtree(journal, ignore_errors=True)
        return kept

    def _bring_back(self, first: Part, copying: Part, outcome: Outcome) -> None:
        """Start the first host's engine and replicator as they were: another one has the topic."""
        runner.stop_part(copying)
        runner.start(copying)
        done = subprocess.run(
            first.command,
            env=dict(first.environment)
            | {"ENGINE_LISTEN": "127.0.0.1:0", "ENGINE_HEALTH_LISTEN": ""},
            cwd=first.folder,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        outcome.is_old_refused = outcome.is_old_refused and done.returncode == REFUSED
        outcome.refusal = (done.stderr.strip().splitlines() or [""])[-1]


def _takeover(how: str, load: Load) -> Takeover:
    """Return the change as the client saw it, once the new engine has answered."""
    connections = load.noted.connections
    before = [it for it in connections if it.first_answer_s][-1]
    wait_until(lambda: connections[-1] is not before and connections[-1].first_answer_s > 0)
    gap_s = connections[-1].first_answer_s - before.last_answer_s
    return Takeover(how, gap_s * 1000, connections[-1].epoch)
