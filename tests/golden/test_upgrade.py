"""A journal of rules 1 is refused, and carried over as docs/RUNBOOKS/new-rules.md says."""

import struct
import tarfile
from pathlib import Path

import pytest

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.snapshots import load_newest, read_state
from hotpath.runtime.journal.writer import JournalWriter
from infra.journal import rules_1
from infra.journal.upgrade import upgrade
from shared.domain import records as r
from shared.wire.journal import JournalError, encode_batch
from tests.golden.make_core_journal import golden_path
from tests.support.engine import limit_order

LAST = 600  # sequence of the journal's last command
# As the release of rules 1 answered: account, state, currency, total, settled, reserved, held, open
# orders.
BALANCES = [
    (1, 1, 840, 61716, 64683, 3326, 0, 3),
    (2, 1, 840, 54235, 64082, 1932, 0, 2),
    (3, 2, 840, 85733, 60000, 0, 2257, 2),
    (4, 1, 840, 63672, 64090, 465, 0, 3),
    (5, 1, 840, 47456, 60181, 7206, 0, 3),
    (6, 1, 978, 0, 0, 0, 0, 0),
]
OPEN_ORDERS = 13


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The journal of rules 1: its segment, and the snapshot that its release took at the end."""
    with tarfile.open(Path(__file__).with_name("journal_rules_1.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_it_is_the_golden_journal(folder: Path) -> None:
    """Its last command is that of the golden file, so nobody has made one of them anew."""
    *lines, _ = golden_path(1).read_text(encoding="utf-8").splitlines()
    words = [int(word) for word in lines[-1].split()]
    assert len(lines) == LAST
    asked = struct.pack("<5q", *words[: r.C_TIME_NS])
    assert asked in (folder / "journal-00000001.segment").read_bytes()


def test_a_journal_of_rules_1_is_not_replayed(folder: Path) -> None:
    assert load_newest(folder, 0) is None
    with pytest.raises(JournalError, match="written under rules 1"):
        recover(folder, 0, from_snapshot=True)


def test_the_state_goes_over_to_the_last_share_and_cent(folder: Path) -> None:
    found = read_state(folder / f"snapshot-{LAST:016}.state")
    assert found is not None
    _, _, old = found
    engine = Engine()
    engine.restore(rules_1.carried_over(old))
    assert engine.snapshot_bytes() == rules_1.carried_over(old)
    for row in BALANCES:
        assert engine.queries.account(row[0]) == row[1:]
    orders = [engine.queries.open_orders(row[0]) for row in BALANCES]
    assert sum(map(len, orders)) == OPEN_ORDERS
    assert engine.queries.first_sequence(engine.queries.open_orders(1)[0][0]) > 0


def test_the_journal_goes_on_behind_an_upgrade(folder: Path) -> None:
    path = upgrade(folder)
    assert path.name == f"snapshot-{LAST:016}.state"
    recovered = recover(folder, 0, from_snapshot=True)
    assert (recovered.sequence, recovered.snapshot_sequence) == (LAST, LAST)
    applier = BatchApplier(recovered.engine)
    order = limit_order(1, 1 << 30, r.BUY, 1, 1)
    time_ns = recovered.last_time_ns + 1
    applier.apply([struct.pack("<8q", *order.words())], 0, LAST + 1, time_ns)
    record = encode_batch(LAST + 1, time_ns, applier.event_counts, applier.commands, applier.events)
    writer = JournalWriter(folder, recovered.tail, shard=0, epoch=2, durability="os")
    writer.append(record, 1)
    writer.close()
    again = recover(folder, 0, from_snapshot=True)
    assert again.sequence == LAST + 1
    assert again.engine.state_hash() == recovered.engine.state_hash()
    with pytest.raises(JournalError, match="not of rules 1"):
        upgrade(folder)


def test_an_upgrade_that_was_cut_off_is_done_again(folder: Path) -> None:
    old = (folder / f"snapshot-{LAST:016}.state").read_bytes()
    upgrade(folder)
    (folder / f"snapshot-{LAST:016}.state").write_bytes(old)  # as if the power had gone before
    upgrade(folder)
    assert recover(folder, 0, from_snapshot=True).sequence == LAST


def test_nothing_is_carried_over_without_a_snapshot_at_the_end(folder: Path) -> None:
    snapshot = folder / f"snapshot-{LAST:016}.state"
    data = snapshot.read_bytes()
    snapshot.unlink()
    with pytest.raises(JournalError, match="no snapshot"):
        upgrade(folder)
    snapshot.write_bytes(data[:-1] + b"\0")
    with pytest.raises(JournalError, match="no snapshot"):
        upgrade(folder)
    snapshot.write_bytes(data)
    segment = folder / "journal-00000001.segment"
    end = read_state(snapshot)[0].end_offset  # type: ignore[index]
    behind = encode_batch(LAST + 1, 1, [0], bytes(64), b"")
    content = bytearray(segment.read_bytes())
    content[end : end + len(behind)] = behind
    segment.write_bytes(content)
    with pytest.raises(JournalError, match="not at the journal's end"):
        upgrade(folder)
