"""The daily reports: the structure of the MiFID II report, RFC 4180, same bytes for same data."""

import csv
import io
from datetime import date
from typing import Any

import pytest
from defusedxml import ElementTree

from functions.reporting.csv_reports import (
    BREAK_COLUMNS,
    TRADE_COLUMNS,
    reconciliation_csv,
    trades_csv,
)
from functions.reporting.mifid import EXECUTING_ENTITY_LEI, NAMESPACE, transaction_report
from functions.reporting.records import BreakRow, Side, TradeRow, instant_text
from shared.reference import instruments

ORBT = instruments().by_symbol["ORBT"]
TRADE = TradeRow(
    trade_id=32_768,
    executed_ns=1_795_488_520_603_123_456,
    instrument_id=ORBT.instrument_id,
    isin=ORBT.isin,
    currency="USD",
    price_ticks=501,
    quantity_lots=3,
    notional_minor=ORBT.notional_minor(501, 3),
    aggressor_side="BUY",
    trade_date=date(2026, 11, 23),
    settlement_date=date(2026, 11, 23),
    trace_id="00112233445566778899aabbccddeeff",
    buy=Side(1001, 11, "20261123-1001-3-1", date(2026, 11, 23)),
    sell=Side(1002, 12, "", None),
)

# Element order of SecuritiesTransactionReport (auth.016.001.01), the elements that are used.
STRUCTURE: dict[str, Any] = {
    "TxId": str,
    "ExctgPty": str,
    "InvstmtPtyInd": str,
    "SubmitgPty": str,
    "Buyr": {"AcctOwnr": {"Id": None}},
    "Sellr": {"AcctOwnr": {"Id": None}},
    "OrdrTrnsmssn": {"TrnsmssnInd": str},
    "Tx": {
        "TradDt": str,
        "TradgCpcty": str,
        "Qty": {"Unit": str},
        "Pric": {"Pric": {"MntryVal": {"Amt": str}}},
        "TradVn": str,
        "TradPlcMtchgId": str,
    },
    "FinInstrm": {"Id": str},
    "ExctgPrsn": {"Clnt": str},
    "AddtlAttrbts": None,
}


def local(element: Any) -> str:
    return str(element.tag).removeprefix(f"{{{NAMESPACE}}}")


def assert_structure(element: Any, structure: dict[str, Any]) -> None:
    assert [local(child) for child in element] == list(structure)
    for child in element:
        expected = structure[local(child)]
        if isinstance(expected, dict):
            assert_structure(child, expected)
        elif expected is str:
            assert child.text and not len(child)


def transactions() -> list[Any]:
    root = ElementTree.fromstring(transaction_report([TRADE], instruments()))
    assert local(root) == "Document"
    (report,) = root
    assert local(report) == "FinInstrmRptgTxRpt"
    return [new for transaction in report for new in transaction]


def text(element: Any, path: str) -> str:
    found = element.find("/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/")))
    assert found is not None, path
    return str(found.text)


def test_each_trade_is_reported_once_per_side_in_the_standards_order() -> None:
    new = transactions()
    assert [local(item) for item in new] == ["New", "New"]
    for item in new:
        assert_structure(item, STRUCTURE)
    assert [text(item, "TxId") for item in new] == ["32768B", "32768S"]


def test_fields_carry_what_rts_22_asks_for() -> None:
    buy, sell = transactions()
    assert text(buy, "Tx/TradDt") == "2026-11-24T02:48:40.603123Z"
    assert text(buy, "Tx/Qty/Unit") == "30"  # shares, not lots
    assert text(buy, "Tx/Pric/Pric/MntryVal/Amt") == "25.05"
    amount = buy.find(f".//{{{NAMESPACE}}}Amt")
    assert amount is not None and amount.attrib == {"Ccy": "USD"}
    assert text(buy, "FinInstrm/Id") == ORBT.isin
    assert text(buy, "Tx/TradVn") == ORBT.mic
    assert text(buy, "Buyr/AcctOwnr/Id/Prsn/Othr/Id") == "1001"
    assert text(buy, "Sellr/AcctOwnr/Id/MIC") == ORBT.mic
    assert text(sell, "Sellr/AcctOwnr/Id/Prsn/Othr/Id") == "1002"
    assert text(sell, "Buyr/AcctOwnr/Id/MIC") == ORBT.mic
    assert [local(item) for item in buy[-1]] == ["SctiesFincgTxInd"]
    assert [local(item) for item in sell[-1]] == ["ShrtSellgInd", "SctiesFincgTxInd"]


def test_the_lei_has_valid_check_digits() -> None:
    assert len(EXECUTING_ENTITY_LEI) == 20
    digits = "".join(str(int(character, 36)) for character in EXECUTING_ENTITY_LEI)
    assert int(digits) % 97 == 1  # ISO 17442, ISO 7064 MOD 97-10


def test_the_trades_csv_is_rfc_4180() -> None:
    body = trades_csv([TRADE], instruments())
    assert body.count(b"\r\n") == body.count(b"\n") == 2
    header, line = csv.reader(io.StringIO(body.decode(), newline=""))
    assert tuple(header) == TRADE_COLUMNS
    row = dict(zip(header, line, strict=True))
    assert row["price"] == "25.05"
    assert row["quantity"] == "30"
    assert row["notional"] == "751.50"
    assert (row["buy_settled_on"], row["sell_settled_on"]) == ("2026-11-23", "")


@pytest.mark.parametrize("kind", ["", "total_cash"])
def test_the_reconciliation_csv_has_a_line_for_a_clean_batch_too(kind: str) -> None:
    found = BreakRow(date(2026, 11, 23), 2, kind, 1001, 'a "quoted", subject', "1", "2")
    _, line = csv.reader(io.StringIO(reconciliation_csv([found]).decode(), newline=""))
    row = dict(zip(BREAK_COLUMNS, line, strict=True))
    assert (row["kind"], row["accounts"]) == (kind, "2")
    assert row["subject"] == 'a "quoted", subject'


def test_the_same_data_gives_the_same_bytes() -> None:
    assert transaction_report([TRADE], instruments()) == transaction_report([TRADE], instruments())
    assert trades_csv([TRADE], instruments()) == trades_csv([TRADE], instruments())


def test_instants_are_cut_to_microseconds_and_never_rounded_up() -> None:
    assert instant_text(999_999_999) == "1970-01-01T00:00:00.999999Z"
