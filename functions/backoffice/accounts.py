"""One account as operators see it: profile, engine, ledger, orders."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from functions.backoffice.models import (
    AccountAnswer,
    EngineAnswer,
    LedgerBalance,
    OrderAnswer,
    PositionAnswer,
    Profile,
)
from shared.domain.money import CURRENCIES, CURRENCY_BY_NUMBER, from_minor
from shared.domain.records import ACCOUNT_ACTIVE, ACCOUNT_HALTED, ACCOUNT_REDUCING, BUY
from shared.ports.engine import AccountView, OpenOrder, PositionView
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

LAST_ORDERS: Final = 20
MAX_OPEN_ORDERS: Final = 200
_STATES: Final = {
    ACCOUNT_ACTIVE: "ACTIVE",
    ACCOUNT_REDUCING: "REDUCING",
    ACCOUNT_HALTED: "HALTED",
}


def account_answer(
    uow: UnitOfWork,
    instruments: Instruments,
    account_id: int,
    view: AccountView | None,
    open_orders: Sequence[OpenOrder],
    ledger: Sequence[Mapping[str, Any]],
) -> AccountAnswer | None:
    """Put the account together; None when neither users nor engine nor ledger know it."""
    profile = _profile(uow, account_id)
    if profile is None and view is None and not ledger:
        return None
    return AccountAnswer(
        account_id=str(account_id),
        profile=profile,
        engine=None if view is None else _engine(view, instruments),
        ledger=[_balance(row, instruments) for row in ledger],
        open_orders=[_open_order(order, instruments) for order in open_orders[:MAX_OPEN_ORDERS]],
        last_orders=_last_orders(uow, instruments, account_id),
    )


def _profile(uow: UnitOfWork, account_id: int) -> Profile | None:
    row = uow.connection.execute(
        "select user_id, email, given_name, family_name, country, kyc_status, currency, opened_at "
        "from admin.accounts where account_id = %s",
        (account_id,),
    ).fetchone()
    if row is None:
        return None
    return Profile(
        user_id=str(row[0]),
        email=row[1],
        name=f"{row[2]} {row[3]}",
        country=row[4],
        kyc_status=row[5],
        currency=row[6],
        opened_at=row[7].isoformat(),
    )


def _engine(view: AccountView, instruments: Instruments) -> EngineAnswer:
    currency = CURRENCY_BY_NUMBER[view.currency_number]
    return EngineAnswer(
        state=_STATES[view.state],
        currency=currency,
        total=from_minor(view.total_minor, currency),
        settled=from_minor(view.settled_minor, currency),
        reserved=from_minor(view.reserved_minor, currency),
        held=from_minor(view.held_minor, currency),
        available=from_minor(view.available_minor, currency),
        positions=[_position(position, instruments) for position in view.positions],
    )


def _position(position: PositionView, instruments: Instruments) -> PositionAnswer:
    instrument = instruments.by_id[position.instrument_id]
    return PositionAnswer(
        symbol=instrument.symbol,
        total=instrument.quantity_text(position.total_lots),
        settled=instrument.quantity_text(position.settled_lots),
        reserved_buy=instrument.quantity_text(position.reserved_buy_lots),
        reserved_sell=instrument.quantity_text(position.reserved_sell_lots),
    )


def _balance(row: Mapping[str, Any], instruments: Instruments) -> LedgerBalance:
    asset, amount = str(row["asset"]), int(row["amount"])
    if asset in CURRENCIES:
        text = from_minor(amount, asset)
    else:
        text = instruments.by_isin[asset].quantity_text(amount)
    return LedgerBalance(asset=asset, purpose=row["purpose"], amount=text)


def _open_order(order: OpenOrder, instruments: Instruments) -> OrderAnswer:
    instrument = instruments.by_id[order.instrument_id]
    leaves = instrument.quantity_text(order.leaves_lots)
    return OrderAnswer(
        order_id=str(order.order_id),
        symbol=instrument.symbol,
        side="BUY" if order.side == BUY else "SELL",
        price=instrument.price_text(order.price_ticks),
        quantity=leaves,
        leaves=leaves,
    )


def _last_orders(uow: UnitOfWork, instruments: Instruments, account_id: int) -> list[OrderAnswer]:
    rows = uow.connection.execute(
        "select order_id, instrument_id, side, price_ticks, quantity_lots, leaves_lots, status "
        "from admin.orders where account_id = %s order by created_at desc, order_id desc limit %s",
        (account_id, LAST_ORDERS),
    )
    answer = []
    for order_id, instrument_id, side, price_ticks, quantity_lots, leaves_lots, status in rows:
        instrument = instruments.by_id[instrument_id]
        answer.append(
            OrderAnswer(
                order_id=str(order_id),
                symbol=instrument.symbol,
                side=side,
                price=instrument.price_text(price_ticks) if price_ticks else None,
                quantity=instrument.quantity_text(quantity_lots),
                leaves=instrument.quantity_text(leaves_lots),
                status=status,
            )
        )
    return answer
