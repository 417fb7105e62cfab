"""After a takeover by a standby with a journal of its own, its folder takes the old one's place."""

from pathlib import Path

from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.journal.writer import JournalLock
from infra.local import journals
from infra.local.settings import Settings


def journal_of_epoch(folder: Path, epoch: int) -> None:
    folder.mkdir()
    (folder / "content").write_text(str(epoch))
    with StatusFile(folder, create=True) as status:
        if epoch:
            status.begin(0, epoch, 0)


def content(folder: Path) -> str:
    return (folder / "content").read_text()


def test_a_standbys_journal_that_has_gone_on_is_the_journal_from_then_on(tmp_path: Path) -> None:
    settings = Settings(tmp_path, shards=2)
    journal_of_epoch(settings.journal_of(0), 2)
    journal_of_epoch(settings.standby_journal_of(0), 0)  # it has only followed
    journal_of_epoch(settings.journal_of(1), 2)
    journal_of_epoch(settings.standby_journal_of(1), 4)
    assert journals.settle(settings) == "1 taken over from a standby"
    assert content(settings.journal_of(0)) == "2"
    assert content(settings.journal_of(1)) == "4"
    assert not settings.standby_journal_of(1).exists()
    (kept,) = tmp_path.glob("journal-1.superseded-*")
    assert content(kept) == "2"
    assert journals.settle(settings) == "in place"


def test_a_journal_that_is_being_written_stays_where_it_is(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    journal_of_epoch(settings.journal, 2)
    journal_of_epoch(settings.standby_journal_of(0), 4)
    lock = JournalLock(settings.standby_journal_of(0))
    assert journals.settle(settings) == "in place"
    lock.release()
    assert journals.settle(settings) != "in place"
