"""Publishes a part of the journal once more, into topics of another name.

In the publisher's own topics every message would be a repeat; a consumer that has to see them again
goes back to an offset there. Other topics serve what the stream has lost or a consumer that is new.
"""

import re
import time
from pathlib import Path
from typing import Final

import msgspec

from hotpath.runtime.journal.reader import JournalTail
from hotpath.runtime.journal.seek import find_place
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.publisher.record_messages import RecordMessages
from hotpath.runtime.publisher.resume import BATCH_BYTES, TOPICS, Resume
from shared.ports.event_stream import EventStream, Message
from shared.wire.journal import JournalError
from shared.wire.stream_events import partition_counts

_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


def republish(
    journal: Path, stream: EventStream, first_sequence: int, prefix: str, shards: int = 1
) -> int:
    """Publish from a sequence to the durable end into `{prefix}.{topic}`; return how many messages.

    Call it again after a failure: it goes on where the topics end, and adds what is new.

    Raises
    ------
    JournalError
        The prefix is no name, the journal does not hold the sequence, or it cannot be read.
    StreamError
        The stream failed.
    """
    if not _PREFIX.fullmatch(prefix):
        raise JournalError(f"{prefix!r} cannot begin a topic's name: lower case, digits, hyphens")
    namespace = f"{prefix}."
    counts = partition_counts(shards)
    stream.ensure_topics({namespace + topic: counts[topic] for topic in TOPICS})
    with StatusFile(journal, create=False) as status:
        durable, shard = status.durable_sequence, status.shard
    writer = stream.writer(f"republisher-{prefix}-{shard}", time.time_ns() // 1_000_000)
    tail = JournalTail(journal)
    try:
        told = RecordMessages(shard)
        resume = Resume(stream, journal, namespace, shard)
        place = resume.place or find_place(journal, first_sequence)
        if place is None or first_sequence > durable:
            raise JournalError(f"the journal does not hold sequence {first_sequence}")
        tail.go_to(place.path, place.offset)
        count = 0
        while records := tail.read(durable, BATCH_BYTES):
            found = [message for record in records for message in told.of(record)]
            behind = _behind(found, first_sequence, namespace)
            missing = resume.missing(behind, records[-1].last_sequence)
            writer.publish(missing)
            count += len(missing)
    finally:
        tail.close()
        writer.close()
    return count


class _Place(msgspec.Struct):
    sequence: int


def _behind(found: list[Message], first_sequence: int, namespace: str) -> list[Message]:
    """Return the messages about commands from a sequence on, with their topics' other names."""
    decode = msgspec.json.Decoder(_Place).decode
    return [
        msgspec.structs.replace(message, topic=namespace + message.topic)
        for message in found
        if decode(message.value).sequence >= first_sequence
    ]
