"""Two hosts of one shard in mode `replicated`: engine, replicator, standby, and their own folders.

from tests.support.replicated import Host, new_shard
"""

import itertools
from collections import Counter
from pathlib import Path

from hotpath.runtime.journal.reader import JournalScan
from infra.demo.failover_load import Load
from shared.domain import records as r
from shared.ports.journal_topic import CopiedRecord
from shared.streams.factory import open_journal_topic
from shared.wire.journal import JournaledCommand, decode_record
from shared.wire.tokens import SCOPES
from tests.support.child import ChildProcess
from tests.support.engine import EngineProcess, wait_for
from tests.support.replicator import ReplicatorProcess

_shards = itertools.count(1)


def new_shard() -> int:
    """Return a shard that no other test of the session has: its topics are new."""
    return next(_shards)


class Host:
    """What one host has. `other` is a host of the same shard, whose clients are this one's too."""

    def __init__(self, folder: Path, url: str, shard: int, other: "Host | None" = None) -> None:
        folder.mkdir()
        self.engine = EngineProcess(
            folder,
            TRADING_DURABILITY="replicated",
            STREAM_URL=url,
            TRADING_SHARD=str(shard),
            TRADING_MARK_MS="50",
        )
        self.replicator = ReplicatorProcess(self.engine)
        self.standby = ChildProcess("hotpath.runtime.standby", folder / "standby.log")
        if other is not None:
            self.engine.issuer = other.engine.issuer
            (folder / "public.pem").write_bytes((other.engine.folder / "public.pem").read_bytes())

    def start_engine(self) -> "Host":
        self.replicator.start()
        self.engine.start()
        return self

    def start_standby(self, **environment: str) -> "Host":
        """Start the standby and its host's replicator; return when it follows."""
        self.replicator.start()
        self.spawn_standby(**environment)
        wait_for(lambda: self.standby.says("following the topic"), "the standby follows")
        return self

    def spawn_standby(self, **environment: str) -> None:
        place = {"STANDBY_PLACEMENT": "other-host"}
        self.standby.launch(self.engine.environment | place | environment)

    def wait_open(self) -> str:
        """Return the address of the engine that the standby has become."""
        standby = self.standby
        wait_for(
            lambda: bool(standby.opened_at()) or not standby.is_running, "the standby opens", 30.0
        )
        self.engine.address = standby.opened_at()
        assert self.engine.address, standby.log() + self.replicator.log()
        return self.engine.address

    def close(self) -> None:
        self.engine.close()
        self.replicator.close()
        self.standby.close()


def load_on(engine: EngineProcess, address: str, rate: int) -> Load:
    """Return a load that is not started, on whoever listens at one of the addresses."""
    return Load(address, lambda: engine.issuer.service(SCOPES), rate, seed=7)


def topic_records(url: str, shard: int) -> list[CopiedRecord]:
    """Return all that the topic holds."""
    topic = open_journal_topic(url, shard)
    reader = topic.reader(0)
    try:
        end, found = topic.end(), []
        while reader.position < end:
            found += reader.poll(1000, 200)
        return found
    finally:
        reader.close()
        topic.close()


def topic_commands(url: str, shard: int) -> list[JournaledCommand]:
    """Return the topic's commands, each once and in order."""
    found: list[JournaledCommand] = []
    for copied in topic_records(url, shard):
        record = decode_record(copied.data)
        assert record is not None
        assert record.first_sequence == len(found) + 1
        found += record.commands()
    return found


def journal_commands(journal: Path) -> list[JournaledCommand]:
    return [command for _, _, record in JournalScan(journal) for command in record.commands()]


def differences(load: Load, commands: list[JournaledCommand]) -> tuple[int, int, int]:
    """Return how many answers are lost, how many are different, and orders that are there twice."""
    lost = changed = 0
    for words, result in load.noted.answered:
        if result.sequence > len(commands):
            lost += 1
            continue
        command = commands[result.sequence - 1]
        is_same = command.words[: r.C_TIME_NS] == tuple(words[: r.C_TIME_NS])
        changed += not (is_same and command.events == result.events)
    accepted = Counter(
        command.words[r.C_ID]
        for command in commands
        if command.words[0] & 0xFF == r.PLACE_ORDER
        and command.events[0][r.E_HEADER] & 0xFF == r.ORDER_ACCEPTED
    )
    return lost, changed, sum(times - 1 for times in accepted.values())
