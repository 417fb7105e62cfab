"""Finding one command by its sequence: over segments, as they grow, and none that is not there."""

from pathlib import Path

import pytest

from hotpath.runtime.journal import index as journal_index
from hotpath.runtime.journal.index import JournalIndex
from hotpath.runtime.journal.reader import Tail, segment_paths
from hotpath.runtime.journal.writer import JournalWriter
from shared.domain.commands import CancelOrder
from shared.wire.journal import EpochMark, encode_batch, encode_epoch

EVENT = bytes(range(64))


def append(writer: JournalWriter, first: int, count: int) -> None:
    """Write a batch of cancels whose ids are their sequences; the n-th has n % 3 + 1 events."""
    words = [word for n in range(count) for word in CancelOrder(1, first + n, 1).words()]
    commands = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
    events = [(first + n) % 3 + 1 for n in range(count)]
    writer.append(encode_batch(first, first, events, commands, EVENT * sum(events)), count)


@pytest.mark.parametrize("stride_bytes", [1, 500, 1 << 20])
def test_every_command_is_found_while_the_journal_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride_bytes: int
) -> None:
    monkeypatch.setattr(journal_index, "STRIDE_BYTES", max(stride_bytes, 64))
    index = JournalIndex(tmp_path)
    assert index.command(1) is None
    writer = JournalWriter(
        tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os", segment_bytes=4096
    )
    sequence = 1
    for number in range(60):
        writer.append(encode_epoch(sequence, 1, EpochMark(number + 1, 1, 0)), 0)
        append(writer, sequence, number % 7 + 1)
        sequence += number % 7 + 1
        for asked in {1, sequence // 2, sequence - 1}:
            found = index.command(asked)
            assert found is not None
            assert (found.sequence, found.words[2]) == (asked, asked)
            assert len(found.events) == asked % 3 + 1
        assert index.command(sequence) is None
    assert len(segment_paths(tmp_path)) > 5
    late = JournalIndex(tmp_path)
    for asked in range(1, sequence):
        found = late.command(asked)
        assert found is not None
        assert found.words[2] == asked
    assert late.command(0) is None
    index.close()
    late.close()
    writer.close()
