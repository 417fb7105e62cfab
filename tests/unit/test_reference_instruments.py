"""Reference data: what is in the file, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.reference import (
    INSTRUMENTS_FILE,
    ReferenceDataError,
    instruments,
    isin_is_valid,
    load,
)


def test_the_three_instruments_are_found_by_symbol_id_and_isin() -> None:
    found = instruments()
    assert [item.symbol for item in found] == ["AAPL", "NOVA", "ORBT"]
    assert found.by_isin["US0378331005"] is found.by_symbol["AAPL"] is found.by_id[1]


def test_the_tick_value_is_what_one_tick_on_one_lot_is_worth() -> None:
    orbt = instruments().by_symbol["ORBT"]
    assert orbt.notional_minor(orbt.price_ticks("25.00"), orbt.quantity_lots("100")) == 250_000


def test_aapl_takes_all_prices_of_real_order_flow() -> None:
    aapl = instruments().by_symbol["AAPL"]
    assert aapl.min_price_ticks <= aapl.price_ticks("477.00")
    assert aapl.price_ticks("698.95") <= aapl.max_price_ticks
    assert aapl.max_order_lots >= 15_000


def test_commands_for_the_engine_have_fixed_ids() -> None:
    first, again = instruments().engine_commands(), instruments().engine_commands()
    assert first == again
    assert len({command.command_id for command in first}) == 3


@pytest.mark.parametrize(
    "isin, valid",
    [
        ("US0378331005", True),
        ("US0378331004", False),
        ("us0378331005", False),
        ("0S0378331005", False),
        ("US037833100", False),
        ("", False),
    ],
)
def test_isins_have_a_check_digit(isin: str, valid: bool) -> None:
    assert isin_is_valid(isin) is valid


@pytest.mark.parametrize(
    "changes",
    [
        {"isin": "US0378331004"},
        {"currency": "XXX"},
        {"tick_size": "0.001"},  # a tick on a lot would be a tenth of a cent
        {"tick_size": "0.00"},
        {"min_price": "700.00"},
        {"max_price": "585.001"},
        {"max_order_quantity": "99999999999"},
        {"settlement_cycle_days": 3},
        {"collar_bps": 0},
        {"instrument_id": 2},  # NOVA's
        {"symbol": None},
    ],
)
def test_a_contradiction_in_the_file_stops_everything(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    document = yaml.safe_load(INSTRUMENTS_FILE.read_text())
    document["instruments"][0].update(changes)
    if changes.get("symbol", "") is None:
        del document["instruments"][0]["symbol"]
    file = tmp_path / "instruments.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ReferenceDataError):
        load(file)
