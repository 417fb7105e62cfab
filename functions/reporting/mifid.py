"""The MiFID II transaction report (RTS 22, Annex I) as ISO 20022 auth.016.001.01.

One report per side of each trade. The platform executes for its clients on its own venue, whose
other side is unknown to them: each report names the client on its own side and the venue's MIC on
the other. Members are named by their account; names and birth dates stay with the users service.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

from functions.reporting.records import Side, TradeRow, instant_text
from shared.domain.instruments import Instrument
from shared.reference import Instruments

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:auth.016.001.01"
EXECUTING_ENTITY_LEI: Final = "ZZTP00TRADINGDEMO038"  # fictional, check digits ISO 17442
ANY_OTHER_CAPACITY: Final = "AOTC"  # field 29: neither own account nor matched principal
NO_SHORT_SALE: Final = "SELL"  # field 62: the engine refuses to sell what is not owned
EXECUTED_ON_CLIENTS_INSTRUCTION: Final = "NORE"  # field 59


def transaction_report(trades: Sequence[TradeRow], instruments: Instruments) -> bytes:
    """Return the report of all trades, in their order, the buyer's side first."""
    document = ElementTree.Element("Document", xmlns=NAMESPACE)
    report = ElementTree.SubElement(document, "FinInstrmRptgTxRpt")
    for trade in trades:
        instrument = instruments.by_id[trade.instrument_id]
        for is_buy, side in ((True, trade.buy), (False, trade.sell)):
            transaction = ElementTree.SubElement(report, "Tx")
            _add_new(
                ElementTree.SubElement(transaction, "New"), trade, instrument, side, is_buy=is_buy
            )
    ElementTree.indent(document, " ")
    body = ElementTree.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()


def _add_new(
    new: ElementTree.Element, trade: TradeRow, instrument: Instrument, side: Side, *, is_buy: bool
) -> None:
    """Add one new transaction; the order of the elements is the standard's."""
    _text(new, "TxId", f"{trade.trade_id}{'B' if is_buy else 'S'}")
    _text(new, "ExctgPty", EXECUTING_ENTITY_LEI)
    _text(new, "InvstmtPtyInd", "true")
    _text(new, "SubmitgPty", EXECUTING_ENTITY_LEI)
    for name, is_client in (("Buyr", is_buy), ("Sellr", not is_buy)):
        owner = ElementTree.SubElement(ElementTree.SubElement(new, name), "AcctOwnr")
        identity = ElementTree.SubElement(owner, "Id")
        if is_client:
            _add_client(identity, side.account_id)
        else:
            _text(identity, "MIC", instrument.mic)
    _text(ElementTree.SubElement(new, "OrdrTrnsmssn"), "TrnsmssnInd", "false")
    _add_terms(ElementTree.SubElement(new, "Tx"), trade, instrument)
    _text(ElementTree.SubElement(new, "FinInstrm"), "Id", trade.isin)
    _text(ElementTree.SubElement(new, "ExctgPrsn"), "Clnt", EXECUTED_ON_CLIENTS_INSTRUCTION)
    attributes = ElementTree.SubElement(new, "AddtlAttrbts")
    if not is_buy:
        _text(attributes, "ShrtSellgInd", NO_SHORT_SALE)
    _text(attributes, "SctiesFincgTxInd", "false")


def _add_client(identity: ElementTree.Element, account_id: int) -> None:
    other = ElementTree.SubElement(ElementTree.SubElement(identity, "Prsn"), "Othr")
    _text(other, "Id", str(account_id))
    _text(ElementTree.SubElement(other, "SchmeNm"), "Prtry", "ACCOUNT")


def _add_terms(terms: ElementTree.Element, trade: TradeRow, instrument: Instrument) -> None:
    _text(terms, "TradDt", instant_text(trade.executed_ns))
    _text(terms, "TradgCpcty", ANY_OTHER_CAPACITY)
    _text(
        ElementTree.SubElement(terms, "Qty"), "Unit", instrument.quantity_text(trade.quantity_lots)
    )
    price = ElementTree.SubElement(ElementTree.SubElement(terms, "Pric"), "Pric")
    amount = ElementTree.SubElement(
        ElementTree.SubElement(price, "MntryVal"), "Amt", Ccy=trade.currency
    )
    amount.text = instrument.price_text(trade.price_ticks)
    _text(terms, "TradVn", instrument.mic)
    _text(terms, "TradPlcMtchgId", str(trade.trade_id))


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
