"""The failover demo: engines killed, hung and switched under load, each replaced by its standby."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hotpath.runtime.journal.reader import JournalScan
from infra.demo.failover_load import Load
from infra.local import keys, runner
from infra.local.errors import StackError
from infra.local.parts.engine import engine
from infra.local.parts.standby import adopt, standby
from infra.local.process import ProcessRecord
from infra.local.progress import Progress
from infra.local.settings import Settings
from shared.domain import records as r
from shared.wire.journal import JournaledCommand
from shared.wire.tokens import SCOPES, TokenIssuer

KILLED, HUNG, SWITCHED = "killed (SIGKILL)", "hung (SIGSTOP)", "switched (upgrade)"
LOST = "lost with its host"
ENDS: Final = {KILLED: signal.SIGKILL, HUNG: signal.SIGSTOP, SWITCHED: signal.SIGUSR1}
MOST_GAP_MS: Final = 2_000
REFUSED: Final = 3  # exit code of an engine whose journal another one holds
WITHIN_S: Final = 30.0


@dataclass
class Takeover:
    """One change of engines as the client saw it."""

    how: str
    gap_ms: float
    epoch: int


@dataclass
class Outcome:
    takeovers: list[Takeover] = field(default_factory=list)
    answered: int = 0
    seconds: float = 0.0
    lost: int = 0
    changed: int = 0
    duplicated: int = 0
    is_old_refused: bool = False
    refusal: str = ""
    wanted: int = len(ENDS)  # takeovers

    @property
    def holds(self) -> bool:
        is_exact = not (self.lost or self.changed or self.duplicated)
        is_quick = all(takeover.gap_ms < MOST_GAP_MS for takeover in self.takeovers)
        return is_exact and is_quick and self.is_old_refused and len(self.takeovers) == self.wanted


class Failover:
    """Runs on a stack's settings with an engine and a standby, and no other part."""

    def __init__(self, settings: Settings, *, rate: int, load_s: float) -> None:
        self._settings = settings
        self._engine, self._standby = engine(settings), standby(settings)
        self._load_s = load_s
        issuer = TokenIssuer(keys.engine_signing_key(settings).encode())
        address = settings.address("engine")
        self._load = Load(address, lambda: issuer.service(SCOPES), rate, seed=1)

    def run(self) -> Outcome:
        """Return what happened; nothing runs afterwards."""
        outcome = Outcome()
        began_s = time.monotonic()
        try:
            runner.start(self._engine)
            self._load.start()
            for how in ENDS:
                outcome.takeovers.append(self._take_over(how))
            self._bring_back(outcome)
            self._load.stop()
        finally:
            runner.stop_all([self._standby, self._engine], Progress(quiet=True))
        outcome.seconds = time.monotonic() - began_s
        compare(self._load, self._settings.journal, outcome)
        return outcome

    def _take_over(self, how: str) -> Takeover:
        """Start a standby, let it catch up, and end the engine that it follows."""
        runner.start(self._standby)
        wait_until(
            lambda: facts_of(self._settings.standby_health_url).get("lag_commands", 1e9) < 1e4
        )
        time.sleep(self._load_s)  # the load runs
        connections = self._load.noted.connections
        before = len(connections)
        process_id = self._record("standby" if how == SWITCHED else "engine").pid
        os.kill(process_id, ENDS[how])
        wait_until(lambda: len(connections) > before and connections[-1].first_answer_s > 0)
        gap_s = connections[-1].first_answer_s - connections[-2].last_answer_s
        facts = facts_of(self._settings.engine_health_url)
        if not adopt(self._settings, int(facts["process_id"])):
            raise StackError(f"{how}: process {facts['process_id']} serves, not the standby")
        return Takeover(how, gap_s * 1000, connections[-1].epoch)

    def _bring_back(self, outcome: Outcome) -> None:
        """Start an engine as the first one was started: another one has the journal now."""
        part = self._engine
        done = subprocess.run(
            part.command,
            env=dict(part.environment),
            cwd=part.folder,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        outcome.is_old_refused = done.returncode == REFUSED
        outcome.refusal = (done.stderr.strip().splitlines() or [""])[-1]

    def _record(self, part: str) -> ProcessRecord:
        record = ProcessRecord.read(self._settings.run_file(part))
        if record is None:
            raise StackError(f"{part} does not run")
        return record


def compare(load: Load, folder: Path, outcome: Outcome) -> None:
    """Look up every answer in the journal, and every accepted order id."""
    journal: list[JournaledCommand] = []
    for _, _, record in JournalScan(folder):
        journal += record.commands()
    outcome.answered += load.answers
    for words, result in load.noted.answered:
        if result.sequence > len(journal):
            outcome.lost += 1
            continue
        command = journal[result.sequence - 1]
        is_same = command.words[: r.C_TIME_NS] == tuple(words[: r.C_TIME_NS])
        if not (is_same and command.events == result.events):
            outcome.changed += 1
    accepted = Counter(
        command.words[r.C_ID]
        for command in journal
        if command.words[0] & 0xFF == r.PLACE_ORDER
        and command.events[0][r.E_HEADER] & 0xFF == r.ORDER_ACCEPTED
    )
    outcome.duplicated += sum(times - 1 for times in accepted.values())


def facts_of(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            facts: dict[str, Any] = json.loads(answer.read())
            return facts
    except (OSError, ValueError):
        return {}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise StackError(f"not within {WITHIN_S:.0f} s")
        time.sleep(0.005)
