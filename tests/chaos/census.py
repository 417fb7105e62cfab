"""Compares what clients were told and what the stream holds with the journal that survived."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.publisher.resume import TOPICS
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.ports.event_stream import EventStream, TopicPartition
from shared.wire import frames
from shared.wire.journal import JournalDamaged, JournaledCommand
from shared.wire.stream_events import PARTITIONS
from tests.chaos.load import Words

_SHOWN: Final = 5  # findings of a kind that are told in full
Answer = tuple[Words, frames.Result]
Row = tuple[str, int, bytes, bytes]  # topic, partition, key, value


@dataclass
class Findings:
    """How often the promise was broken, and the first of each kind in words."""

    lost: int = 0
    changed: int = 0
    duplicated: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, kind: str, text: str) -> None:
        count = getattr(self, kind) + 1
        setattr(self, kind, count)
        if count <= _SHOWN:
            self.told.append(f"{kind}: {text}")
            print(self.told[-1], flush=True)  # a long run may be cut off before its end

    @property
    def any(self) -> bool:
        return bool(self.lost or self.changed or self.duplicated)


def read_journal(folder: Path, findings: Findings) -> list[JournaledCommand]:
    """Return all commands; a journal that refuses to open has lost what it does not show."""
    found: list[JournaledCommand] = []
    try:
        for _, _, record in JournalScan(folder):
            found += record.commands()
    except JournalDamaged as error:
        findings.add("lost", str(error))
    return found


def check_answers(
    answers: Iterable[Answer], journal: list[JournaledCommand], findings: Findings
) -> None:
    """Each answer stands in the journal, event for event."""
    for words, result in answers:
        if result.sequence > len(journal):
            findings.add("lost", f"sequence {result.sequence} was acknowledged")
            continue
        command = journal[result.sequence - 1]
        same_command = command.words[: r.C_TIME_NS] == tuple(words[: r.C_TIME_NS])
        same_events = command.events == result.events and command.time_ns == result.time_ns
        if not (same_command and same_events):
            findings.add("changed", f"sequence {result.sequence} was answered otherwise")


def check_ids(journal: list[JournaledCommand], findings: Findings) -> None:
    """An order id is accepted once, however often it was sent."""
    accepted: Counter[int] = Counter(
        command.words[r.C_ID]
        for command in journal
        if command.words[0] & 0xFF == r.PLACE_ORDER
        and command.events[0][r.E_HEADER] & 0xFF == r.ORDER_ACCEPTED
    )
    for order_id, times in accepted.items():
        if times > 1:
            findings.add("duplicated", f"order {order_id} was accepted {times} times")


def check_stream(stream: EventStream, journal: list[JournaledCommand], findings: Findings) -> None:
    """The stream holds each message that the journal gives, once, in order, and no other."""
    expected: dict[tuple[str, int], list[Row]] = {}
    for command in journal:
        for _, message in messages(0, command):
            row = (message.topic, message.partition, message.key, message.value)
            expected.setdefault(row[:2], []).append(row)
    for topic in TOPICS:
        for number in range(PARTITIONS[topic]):
            wanted = expected.get((topic, number), [])
            stored = _stored(stream, TopicPartition(topic, number))
            if stored != wanted:
                _tell_difference(wanted, stored, findings)


def _tell_difference(wanted: list[Row], stored: list[Row], findings: Findings) -> None:
    missing, surplus = Counter(wanted), Counter(stored)
    missing.subtract(stored)
    surplus.subtract(wanted)
    for row, count in (+missing).items():
        findings.add("lost", f"not in {row[0]}: {row[3]!r} ({count})")
    for row, count in (+surplus).items():
        kind = "duplicated" if row in missing and row in wanted else "changed"
        findings.add(kind, f"too much in {row[0]}: {row[3]!r} ({count})")
    if not (+missing or +surplus):
        findings.add("changed", f"order of {wanted[0][0]}-{wanted[0][1]}")


def _stored(stream: EventStream, partition: TopicPartition) -> list[Row]:
    reader = stream.reader(uuid.uuid4().hex, [partition])
    rows: list[Row] = []
    while batch := reader.poll(5000, 20):
        rows += [(row.topic, row.partition, row.key, row.value) for row in batch]
    reader.close()
    return rows
