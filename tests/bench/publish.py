"""`trading bench publish`: a journal through the real publisher process into a real stream.

A round is a part of the journal that becomes durable at once; it is over when the publisher has
noted that all of it is stored. At the end every message of the journal is looked for in the stream:
once, in order, byte for byte. Beside it stands what the stream takes of such messages when they are
made beforehand, by the same writer in the same run: server and client without the publisher.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace as replace_field

from hotpath import build
from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.publisher.record_messages import RecordMessages
from hotpath.runtime.publisher.resume import partitions
from infra.local import kafka, runner, settings
from infra.local.part import Part
from infra.local.parts import redis
from shared.ports.event_stream import EventStream, Message, TopicPartition
from shared.streams import open_stream
from shared.wire.stream_events import partition_counts
from tests.bench.document import replace_section
from tests.bench.journals import write_journal

GOALS: Final = {"kafka": 200_000, "redis": 50_000}  # messages a second
_ROUND_TIMEOUT_S: Final = 120.0
_READ: Final = 10_000
_PEER_MESSAGES: Final = 100_000
_PEER_ROUNDS: Final = 3
_ROOT: Final = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Measure, print, and return 0; 1 when the stream does not hold what the journal tells."""
    parser = argparse.ArgumentParser(prog="trading bench publish")
    parser.add_argument("--streams", default="kafka,redis")
    parser.add_argument("--commands", type=int, default=150_000, help="of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-doc", action="store_true")
    options = parser.parse_args(words)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-publish-") as folder:
        journal = Journal(Path(folder), options.commands, options.rounds)
        for name in options.streams.split(","):
            rows.append(_measured(name, journal))
            if not options.json:
                print(_line(rows[-1]), flush=True)
    document = {
        "rows": rows,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "compiled": build.core_build().compiled,
    }
    if options.json:
        print(json.dumps(document))
    if options.write_doc:
        replace_section("publish", _markdown(document))
    return int(any(row["exactly_once"] is False for row in rows))


class Journal:
    """A journal, the sequences at which its rounds end, and what the stream must hold of it."""

    def __init__(self, folder: Path, commands: int, rounds: int) -> None:
        self.folder = folder
        self.stage_end, last = write_journal(folder, commands * rounds)
        self.round_ends = [self.stage_end + commands * number for number in range(1, rounds + 1)]
        self.round_ends[-1] = last
        self.expected: dict[TopicPartition, list[bytes]] = {at: [] for at in partitions()}
        self.sample: list[Message] = []  # of the rounds, for topics of another name
        self.messages_until = dict.fromkeys([self.stage_end, *self.round_ends], 0)
        self.events_until = dict(self.messages_until)
        self._count()

    def _count(self) -> None:
        """Align the rounds with records, and note what the stream is told up to each."""
        told, messages, events = RecordMessages(0), 0, 0
        ends = sorted(self.messages_until)
        found: list[tuple[int, int, int]] = []
        for _, _, record in JournalScan(self.folder):
            for message in told.of(record):
                place = TopicPartition(message.topic, message.partition)
                self.expected[place].append(message.value)
                messages += 1
                if record.first_sequence > self.stage_end and len(self.sample) < _PEER_MESSAGES:
                    self.sample.append(replace_field(message, topic=f"peer.{message.topic}"))
            events += record.event_count
            if ends and record.last_sequence >= ends[0]:
                ends.pop(0)
                found.append((record.last_sequence, messages, events))
        self.stage_end, *self.round_ends = [sequence for sequence, _, _ in found]
        self.messages_until = {sequence: count for sequence, count, _ in found}
        self.events_until = {sequence: count for sequence, _, count in found}


@dataclass(frozen=True, slots=True)
class Round:
    messages: int
    events: int
    seconds: float

    def document(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "journal_events": self.events,
            "seconds": round(self.seconds, 3),
            "messages_per_s": round(self.messages / self.seconds),
            "journal_events_per_s": round(self.events / self.seconds),
        }


def _measured(name: str, journal: Journal) -> dict[str, Any]:
    row: dict[str, Any] = {"stream": name, "goal_messages_per_s": GOALS[name], "skipped": ""}
    if name == "kafka" and (reason := kafka.missing_tools()):
        return row | {"skipped": reason, "rounds": [], "exactly_once": None}
    for file in ("status", "publisher.epoch", "publisher.position"):
        (journal.folder / file).unlink(missing_ok=True)
    with stream_server(name) as url, _published(journal, url) as rounds:
        stream = open_stream(url)
        is_exact = holds_exactly(stream, journal.expected)
        peer = _peer(stream, journal.sample)
        stream.close()
    rates = [found.messages / found.seconds for found in rounds]
    events = [found.events / found.seconds for found in rounds]
    return row | {
        "rounds": [found.document() for found in rounds],
        "median_messages_per_s": round(statistics.median(rates)),
        "median_journal_events_per_s": round(statistics.median(events)),
        "made_beforehand_messages_per_s": round(peer),
        "exactly_once": is_exact,
    }


def _peer(stream: EventStream, messages: list[Message]) -> float:
    """Return how many messages a second the stream stores that need only be sent."""
    stream.ensure_topics({f"peer.{topic}": count for topic, count in partition_counts().items()})
    writer = stream.writer("bench-peer", 1)
    rates = []
    for _ in range(_PEER_ROUNDS):
        started_s = time.perf_counter()
        writer.publish_parts(messages[at : at + _READ] for at in range(0, len(messages), _READ))
        rates.append(len(messages) / (time.perf_counter() - started_s))
    writer.close()
    return statistics.median(rates)


@contextmanager
def stream_server(name: str) -> Iterator[str]:
    with settings.temporary({}) as stack:
        stack = replace(stack, stream="kafka" if name == "kafka" else "redis")
        part: Part = kafka.part(stack) if name == "kafka" else redis.stream(stack)
        try:
            runner.start(part)
            yield stack.stream_url
        finally:
            runner.stop_part(part)


@contextmanager
def _published(journal: Journal, url: str) -> Iterator[list[Round]]:
    """Run the publisher over the stage and the rounds; yield what each round took."""
    status = StatusFile(journal.folder, create=True)
    status.begin(0, 1, journal.stage_end)
    environment = {"TRADING_JOURNAL": str(journal.folder), "STREAM_URL": url}
    process = subprocess.Popen(
        [sys.executable, "-m", "hotpath.runtime.publisher"],
        cwd=_ROOT,
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(status, process, journal.stage_end)
        rounds, last = [], journal.stage_end
        for end in journal.round_ends:
            started_s = time.perf_counter()
            status.durable_sequence = end
            _wait(status, process, end)
            seconds = time.perf_counter() - started_s
            messages = journal.messages_until[end] - journal.messages_until[last]
            events = journal.events_until[end] - journal.events_until[last]
            rounds.append(Round(messages, events, seconds))
            last = end
        yield rounds
    finally:
        process.terminate()
        process.wait(20)
        status.close()


def _wait(status: StatusFile, process: "subprocess.Popen[bytes]", sequence: int) -> None:
    deadline = time.monotonic() + _ROUND_TIMEOUT_S
    while status.published_sequence < sequence:
        if process.poll() is not None:
            raise RuntimeError(f"the publisher ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"sequence {sequence} was not published in {_ROUND_TIMEOUT_S} s")
        time.sleep(0.002)


def holds_exactly(stream: EventStream, expected: dict[TopicPartition, list[bytes]]) -> bool:
    """Say whether each partition holds these values, once, in this order, and nothing else."""
    for place, values in expected.items():
        reader = stream.reader(f"bench-{place.topic}-{place.partition}", [place])
        at = 0
        while reader.position(place) < stream.end_offset(place):
            for message in reader.poll(_READ, 1_000):
                if at >= len(values) or message.value != values[at]:
                    return False
                at += 1
        reader.close()
        if at != len(values):
            return False
    return True


def _line(row: dict[str, Any]) -> str:
    if row["skipped"]:
        return f"{row['stream']:<6} skipped: {row['skipped']}"
    rates = " ".join(f"{found['messages_per_s']:,}" for found in row["rounds"])
    once = "each once" if row["exactly_once"] else "NOT EXACTLY ONCE"
    return (
        f"{row['stream']:<6} {row['median_messages_per_s']:>9,} messages/s"
        f" ({row['median_journal_events_per_s']:,} journal events/s) of {rates};"
        f" goal {row['goal_messages_per_s']:,}; made beforehand"
        f" {row['made_beforehand_messages_per_s']:,}; {once}"
    )


def _markdown(document: dict[str, Any]) -> str:
    told = (
        "Generated by `trading bench publish --write-doc`. From the moment a part of a journal is"
        " durable until the\npublisher has noted that the stream holds all of it; then each message"
        " is looked for in the stream. Medians, all\nrounds in brackets; made beforehand: what the"
        " same writer stores of messages that need only be sent. Server and\npublisher share the"
        f" machine: {document['machine']}, load average {document['load_average'][0]}."
    )
    lines = [
        told,
        "",
        "| stream | goal | messages/s | journal events/s | made beforehand | each message once |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in document["rows"]:
        if row["skipped"]:
            lines.append(f"| {row['stream']} | skipped: {row['skipped']} |  |  |  |  |")
            continue
        rates = " ".join(f"{found['messages_per_s']:,}" for found in row["rounds"])
        lines.append(
            f"| {row['stream']} | {row['goal_messages_per_s']:,}"
            f" | {row['median_messages_per_s']:,} ({rates})"
            f" | {row['median_journal_events_per_s']:,}"
            f" | {row['made_beforehand_messages_per_s']:,}"
            f" | {'yes' if row['exactly_once'] else 'NO'} |"
        )
    return "\n".join(lines)
