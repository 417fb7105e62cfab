"""Cash and shares that come and go by command: deposits, holds, settlement, credit lines."""

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import risk
from tests.reference.command import Command
from tests.reference.find import account_of, instrument_of, remember
from tests.reference.model import Account, Hold, Instrument, Market, Refused, refuse_if


def _amount(market: Market, command: Command) -> Account:
    refuse_if(not 1 <= command.amount <= r.MAX_AMOUNT_MINOR, Code.MALFORMED)
    return account_of(market, command)


def bring_cash(market: Market, command: Command) -> None:
    """Deposit, or the arrival of a credit line."""
    account = _amount(market, command)
    most = max(market.issued_cash, account.settled) + command.amount
    refuse_if(most > r.MAX_AMOUNT_MINOR, Code.VALUE_OVERFLOW)
    remember(market, command)
    _move(market, account, command.amount)
    report_cash(market, command.id, account, command.amount)


def _move(market: Market, account: Account, amount: int) -> None:
    account.total += amount
    account.settled += amount
    market.issued_cash += amount


def hold_withdrawal(market: Market, command: Command) -> None:
    account = _amount(market, command)
    refuse_if(account.state == r.ACCOUNT_HALTED, Code.ACCOUNT_HALTED)
    refuse_if(command.amount > risk.withdrawable(market, account), Code.INSUFFICIENT_FUNDS)
    refuse_if(len(market.holds) >= market.settings.max_holds, Code.CAPACITY)
    remember(market, command)
    market.holds[command.id] = Hold(command.id, account.account_id, command.amount)
    report_cash(market, command.id, account, command.amount)


def end_hold(market: Market, command: Command) -> None:
    """Confirm or release a hold."""
    target = command[r.C_TARGET_ID]
    sound = target >= 1 and 0 <= command.amount <= r.MAX_AMOUNT_MINOR
    refuse_if(not sound, Code.MALFORMED)
    account = account_of(market, command)
    hold = market.holds.get(target)
    if (
        hold is None
        or hold.account_id != account.account_id
        or command.amount not in (0, hold.amount)
    ):
        raise Refused(Code.UNKNOWN_HOLD)
    remember(market, command)
    del market.holds[target]
    if command.kind == r.CONFIRM_WITHDRAWAL:
        _move(market, account, -hold.amount)
    report_cash(market, command.id, account, -hold.amount)


def credit_out(market: Market, command: Command) -> None:
    account = _amount(market, command)
    refuse_if(command.amount > risk.withdrawable(market, account), Code.INSUFFICIENT_FUNDS)
    refuse_if(len(market.credit_moves) >= market.settings.max_holds, Code.CAPACITY)
    remember(market, command)
    market.credit_moves[command.id] = Hold(command.id, account.account_id, command.amount)
    _move(market, account, -command.amount)
    report_cash(market, command.id, account, -command.amount)


def credit_undo(market: Market, command: Command) -> None:
    account = account_of(market, command)
    move = market.credit_moves.get(command[r.C_TARGET_ID])
    if move is None or move.account_id != account.account_id:
        raise Refused(Code.UNKNOWN_CREDIT_MOVE)
    most = max(market.issued_cash, account.settled) + move.amount
    refuse_if(most > r.MAX_AMOUNT_MINOR, Code.VALUE_OVERFLOW)
    remember(market, command)
    del market.credit_moves[move.hold_id]
    _move(market, account, move.amount)
    report_cash(market, command.id, account, move.amount)


def deposit_shares(market: Market, command: Command) -> None:
    refuse_if(not 1 <= command.lots <= r.MAX_QUANTITY_LOTS, Code.MALFORMED)
    account, instrument = account_of(market, command), instrument_of(market, command)
    position = account.position(instrument.instrument_id)
    refuse_if(account.currency != instrument.currency, Code.CURRENCY_MISMATCH)
    most = max(position.settled, instrument.issued) + command.lots
    refuse_if(most > r.MAX_AMOUNT_MINOR, Code.VALUE_OVERFLOW)
    remember(market, command)
    position.total += command.lots
    position.settled += command.lots
    instrument.issued += command.lots
    report_position(market, command.id, account, instrument, command.lots)


def settle(market: Market, command: Command) -> None:
    cash = command[r.C_CASH_MINOR]
    refuse_if(max(abs(cash), abs(command.lots)) > r.MAX_AMOUNT_MINOR, Code.MALFORMED)
    account, instrument = account_of(market, command), instrument_of(market, command)
    position = account.position(instrument.instrument_id)
    refuse_if(account.currency != instrument.currency, Code.CURRENCY_MISMATCH)
    settled = (account.settled + cash, position.settled + command.lots)
    refuse_if(max(map(abs, settled)) > r.MAX_AMOUNT_MINOR, Code.VALUE_OVERFLOW)
    remember(market, command)
    account.settled, position.settled = settled
    report_cash(market, command.id, account, cash, instrument.instrument_id)
    report_position(market, command.id, account, instrument, command.lots)


def report_cash(
    market: Market, id_: int, account: Account, delta: int, instrument: int = 0
) -> None:
    number = account.account_id
    promised = (risk.reserved(market, number), risk.held(market, number))
    words = [delta, account.total, account.settled, *promised]
    market.emit(r.CASH_CHANGED, id_, number, words, instrument=instrument)


def report_position(
    market: Market, id_: int, account: Account, instrument: Instrument, delta: int
) -> None:
    number = instrument.instrument_id
    position = account.position(number)
    selling = risk.open_lots(market, account.account_id, number, r.SELL)
    words = [delta, position.total, position.settled, selling]
    market.emit(r.POSITION_CHANGED, id_, account.account_id, words, instrument=number)


KINDS = {
    r.DEPOSIT_CASH: bring_cash,
    r.HOLD_WITHDRAWAL: hold_withdrawal,
    r.CONFIRM_WITHDRAWAL: end_hold,
    r.RELEASE_WITHDRAWAL: end_hold,
    r.DEPOSIT_SHARES: deposit_shares,
    r.SETTLE: settle,
    r.CREDIT_OUT: credit_out,
    r.CREDIT_IN: bring_cash,
    r.CREDIT_UNDO: credit_undo,
}
