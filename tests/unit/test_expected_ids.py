"""Room for ids that is made ahead of time: the state is the same, and its table does not grow."""

from hotpath.core.api import Engine
from hotpath.runtime.config import EngineConfig
from hotpath.runtime.journal.recovery import make_room
from shared.domain.commands import AddAccount
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from tests.support.engine import USD

GIVEN = {"TRADING_JOURNAL": "journal", "ENGINE_PUBLIC_KEY_FILE": "key"}


def add_accounts(engine: Engine, first: int, count: int) -> None:
    for number in range(first, first + count):
        command = AddAccount(administrative_id(SOURCE_LEDGER, number), number, USD)
        words = command.words()
        data = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
        engine.apply_stamped(data, 0, number, number)


def test_room_for_ids_changes_the_table_and_not_the_state() -> None:
    plain, roomy = Engine(expected_ids=16), Engine(expected_ids=16)
    for engine in (plain, roomy):
        add_accounts(engine, 1, 10)
    make_room(roomy, 1_000)
    rows = roomy.state.ids.mask + 1
    assert rows >= 2 * 1_010 > plain.state.ids.mask
    for engine in (plain, roomy):
        add_accounts(engine, 11, 1_000)
    assert roomy.state.ids.count == 1_010
    assert roomy.state.ids.mask + 1 == rows
    assert roomy.state_hash() == plain.state_hash()


def test_without_a_setting_the_table_stays_as_it_is() -> None:
    assert EngineConfig.from_environment(GIVEN).expected_ids == 0
    assert EngineConfig.from_environment(GIVEN | {"TRADING_EXPECTED_IDS": "5"}).expected_ids == 5
    engine = Engine()
    rows = engine.state.ids.mask
    make_room(engine, 0)
    assert engine.state.ids.mask == rows
