"""Finds what a command names, and remembers the ids of accepted commands."""

from shared.domain import ids
from shared.domain.reject_codes import RejectCode as Code
from tests.reference.command import Command
from tests.reference.model import Account, Instrument, Market, refuse_if


def valid_account_id(account_id: int) -> bool:
    return 0 < account_id <= ids.MAX_ACCOUNT_ID


def account(market: Market, account_id: int) -> Account:
    refuse_if(not valid_account_id(account_id), Code.MALFORMED)
    refuse_if(account_id not in market.accounts, Code.UNKNOWN_ACCOUNT)
    return market.accounts[account_id]


def account_of(market: Market, command: Command) -> Account:
    return account(market, command.account_id)


def instrument_of(market: Market, command: Command) -> Instrument:
    refuse_if(command.instrument_id not in market.instruments, Code.UNKNOWN_INSTRUMENT)
    return market.instruments[command.instrument_id]


def remember(market: Market, command: Command) -> None:
    refuse_if(len(market.ids) >= market.settings.max_ids, Code.CAPACITY)
    market.ids[command.id] = (market.sequence, market.day)
