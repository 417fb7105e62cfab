"""Where reading begins for a sequence: far enough back, in one segment, never behind it."""

from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan, Tail, segment_number
from hotpath.runtime.journal.seek import find_place
from hotpath.runtime.journal.writer import JournalWriter
from shared.domain import records as r
from shared.domain.commands import CancelOrder
from shared.wire.journal import encode_batch


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Seven segments of records with one to five commands."""
    writer = JournalWriter(
        tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os", segment_bytes=4096
    )
    sequence = 1
    command = b"".join(word.to_bytes(8, "little") for word in CancelOrder(1, 1 << 32, 1).words())
    assert len(command) == 8 * r.COMMAND_WORDS
    for number in range(150):
        count = 1 + number % 5
        writer.append(encode_batch(sequence, 1, [0] * count, command * count, b""), count)
        sequence += count
    writer.close()
    return tmp_path


@pytest.mark.parametrize("back_bytes", [0, 1, 500, 1 << 20])
def test_the_record_is_the_one_asked_for_or_one_so_far_before_it(
    journal: Path, back_bytes: int
) -> None:
    records = [(path, offset, record) for path, offset, record in JournalScan(journal)]
    assert segment_number(records[-1][0]) > 5
    for path, offset, record in records:
        end = offset + len(record.data)
        for sequence in range(record.first_sequence, record.last_sequence + 1):
            place = find_place(journal, sequence, back_bytes)
            assert place is not None
            assert place.path == path
            assert place.first_sequence <= sequence
            first_of_segment = place.offset == min(o for p, o, _ in records if p == path)
            assert end - place.offset >= back_bytes or first_of_segment
            if back_bytes == 0:
                assert place.first_sequence == record.first_sequence


def test_behind_the_end_is_the_last_record_and_an_empty_folder_has_none(
    journal: Path, tmp_path: Path
) -> None:
    *_, (path, offset, record) = JournalScan(journal)
    place = find_place(journal, 10**6)
    assert place is not None
    assert (place.path, place.offset, place.first_sequence) == (path, offset, record.first_sequence)
    (tmp_path / "none").mkdir()
    assert find_place(tmp_path / "none", 1) is None
