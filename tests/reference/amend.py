"""Trade bust and correction: cash, shares and fees of a trade are unwound exactly."""

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import find, money
from tests.reference.command import Command
from tests.reference.find import instrument_of, remember
from tests.reference.model import Instrument, Market, refuse_if

TERMS = range(r.C_TRADE_BUYER, r.C_TRADE_SELLER_FEE_MINOR + 1)


def amend(market: Market, command: Command) -> None:
    """Bust a trade, or give it another price and quantity; its fees stay with a correction.

    The command carries the trade as the journal has it. What was amended before is remembered, so
    that terms which no longer hold are refused.
    """
    terms = tuple(command[word] for word in TERMS)
    corrected = (command[r.C_CORRECTED_PRICE_TICKS], command[r.C_CORRECTED_LOTS])
    refuse_if(not _well_formed(command, terms, corrected), Code.MALFORMED)
    buyer, seller, price, lots, buyer_fee, seller_fee = terms
    for account_id in (buyer, seller):
        find.account(market, account_id)
    instrument = instrument_of(market, command)
    key = (command[r.C_TRADE_SEQUENCE], command[r.C_TRADE_INDEX])
    unknown = key[0] >= market.sequence
    differs = market.amended.get(key, terms) not in (terms, None)
    refuse_if(unknown or differs, Code.TRADE_DIFFERS)
    refuse_if(market.amended.get(key, terms) is None, Code.ALREADY_BUSTED)
    busts = command.kind == r.BUST_TRADE
    refuse_if(not _fits(market, instrument, terms, corrected, busts), Code.VALUE_OVERFLOW)
    refuse_if(len(market.amended) >= market.settings.max_holds, Code.CAPACITY)
    remember(market, command)
    before = [market.accounts[number].total for number in (buyer, seller)]
    _pay(market, buyer, seller, instrument, price, -lots)
    if busts:
        _return_fees(market, buyer, seller, buyer_fee, seller_fee)
        new = None
    else:
        _pay(market, buyer, seller, instrument, *corrected)
        new = (buyer, seller, *corrected, buyer_fee, seller_fee)
    market.amended[key] = new
    shown = [price, lots] if busts else list(corrected)
    kind = r.TRADE_BUSTED if busts else r.TRADE_CORRECTED
    parties = seller << 32 | buyer
    number = instrument.instrument_id
    market.emit(kind, command.id, parties, [*shown, *key], instrument=number)
    moved = -lots if busts else corrected[1] - lots
    for account_id, old, delta in zip((buyer, seller), before, (moved, -moved), strict=True):
        account = market.accounts[account_id]
        money.report_cash(market, command.id, account, account.total - old, number)
        money.report_position(market, command.id, account, instrument, delta)


def _well_formed(command: Command, terms: tuple[int, ...], corrected: tuple[int, int]) -> bool:
    buyer, seller, price, lots, *fees = terms
    busts = command.kind == r.BUST_TRADE
    deals = [(price, lots)] if busts else [(price, lots), corrected]
    return (
        all(1 <= p <= r.MAX_PRICE_TICKS and 1 <= n <= r.MAX_QUANTITY_LOTS for p, n in deals)
        and (not busts or corrected == (0, 0))
        and all(abs(fee) <= r.MAX_AMOUNT_MINOR for fee in fees)
        and all(find.valid_account_id(number) for number in (buyer, seller))
        and command[r.C_TRADE_SEQUENCE] > 0
        and 0 <= command[r.C_TRADE_INDEX] < 1 << 31
    )


def _fits(
    market: Market,
    instrument: Instrument,
    terms: tuple[int, ...],
    corrected: tuple[int, ...],
    busts: bool,
) -> bool:
    """Say whether all amounts stay within their bounds."""
    buyer, seller, price, lots, buyer_fee, seller_fee = terms
    old = price * lots * instrument.tick_value
    new = corrected[0] * corrected[1] * instrument.tick_value
    back = (buyer_fee, seller_fee) if busts else (0, 0)
    amounts = [old, new, market.fees_collected - sum(back)]
    for account_id, sign, fee in ((buyer, 1, back[0]), (seller, -1, back[1])):
        account = market.accounts[account_id]
        amounts.append(account.total + sign * (old - new) + fee)
        position = account.position(instrument.instrument_id)
        amounts.append(position.total + sign * (corrected[1] - lots))
    return max(map(abs, amounts)) <= r.MAX_AMOUNT_MINOR


def _pay(
    market: Market, buyer: int, seller: int, instrument: Instrument, price: int, lots: int
) -> None:
    """Move lots to the buyer and their value to the seller; negative lots go back."""
    cost = price * lots * instrument.tick_value
    number = instrument.instrument_id
    market.accounts[buyer].total -= cost
    market.accounts[seller].total += cost
    market.accounts[buyer].position(number).total += lots
    market.accounts[seller].position(number).total -= lots


def _return_fees(market: Market, buyer: int, seller: int, buyer_fee: int, seller_fee: int) -> None:
    market.accounts[buyer].total += buyer_fee
    market.accounts[seller].total += seller_fee
    market.fees_collected -= buyer_fee + seller_fee


KINDS = {r.BUST_TRADE: amend, r.CORRECT_TRADE: amend}
