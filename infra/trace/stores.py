"""Finds an order in the databases: its request, its trades, their instructions and transfers."""

from collections.abc import Sequence
from typing import Any

from infra.trace.model import INSTRUCTION, REQUEST, TRADE, TRANSFER, Hop
from shared.postgres.unit_of_work import UnitOfWork


def rows(dsn: str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """Return a query's rows as dictionaries of plain values."""
    with UnitOfWork(dsn) as uow:
        cursor = uow.connection.execute(sql, parameters)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | list | None) else str(value)


def order_row(core_dsn: str, order_id: int) -> dict[str, Any] | None:
    """Return the order as the orders service stores it."""
    found = rows(
        core_dsn,
        "select order_id, account_id, user_id, client_order_id, instrument_id, side, order_type, "
        "time_in_force, price_ticks, quantity_lots, filled_lots, status, reason, trace_id, "
        "created_at from orders.orders where order_id = %s",
        order_id,
    )
    return found[0] if found else None


def request_hop(row: dict[str, Any]) -> Hop:
    came_by = "API" if row["user_id"] else "order-entry session"
    summary = (
        f"{row['side']} {row['quantity_lots']} lots {row['order_type']} {row['time_in_force']} "
        f"by {came_by} at {row['created_at']}"
    )
    return Hop(REQUEST, "core: orders.orders", summary, row)


def trades(clearing_dsn: str, order_id: int) -> list[Hop]:
    found = rows(
        clearing_dsn,
        "select trade_id, sequence, event_index, instrument_id, price_ticks, quantity_lots, "
        "buy_order_id, buy_account_id, sell_order_id, sell_account_id, trade_date, "
        "settlement_date, trace_id from settlement.trades "
        "where buy_order_id = %s or sell_order_id = %s order by trade_id",
        order_id,
        order_id,
    )
    return [
        Hop(
            TRADE,
            "clearing: settlement.trades",
            f"trade {row['trade_id']}: {row['quantity_lots']} lots at {row['price_ticks']} ticks, "
            f"settles {row['settlement_date']}",
            row,
        )
        for row in found
    ]


def instructions(clearing_dsn: str, order_id: int, account_id: int) -> list[Hop]:
    """Return the netting instructions of the account that hold a trade of the order."""
    found = rows(
        clearing_dsn,
        "select i.instruction_id, i.batch_id, i.isin, i.currency, i.cash_minor, i.quantity_lots, "
        "i.state, i.payment_outcome, i.transfer_id, array_agg(io.trade_id order by io.trade_id) "
        "as trade_ids "
        "from settlement.instructions i "
        "join settlement.instruction_obligations io using (instruction_number) "
        "where i.account_id = %s and exists (select from settlement.instruction_obligations x "
        "  join settlement.obligations o on o.trade_id = x.trade_id and o.side = x.side "
        "  where x.instruction_number = i.instruction_number and o.order_id = %s) "
        "group by i.instruction_number order by i.instruction_number",
        account_id,
        order_id,
    )
    return [
        Hop(
            INSTRUCTION,
            "clearing: settlement.instructions",
            f"{row['instruction_id']} {row['state']}: cash {row['cash_minor']:+} minor, "
            f"{row['quantity_lots']:+} lots, nets {len(row['trade_ids'])} trade(s)",
            row,
        )
        for row in found
    ]


def transfers(clearing_dsn: str, netting: Sequence[Hop]) -> list[Hop]:
    """Return the ledger transfers that delivered the instructions, with their entries."""
    ids = [hop.data["transfer_id"] for hop in netting if hop.data["transfer_id"] is not None]
    found = rows(
        clearing_dsn,
        "select t.transfer_id, t.kind, t.reference, array_agg(distinct s.state) as states, "
        "(select json_agg(json_build_object('owner', a.owner, 'asset', a.asset, "
        "   'purpose', a.purpose, 'amount', e.amount) order by e.line) "
        " from ledger.entries e join ledger.accounts a using (account_id) "
        " where e.transfer_id = t.transfer_id) as entries "
        "from ledger.transfers t join ledger.steps s using (transfer_id) "
        "where t.transfer_id = any(%s) group by t.transfer_id order by t.transfer_id",
        ids,
    )
    return [
        Hop(
            TRANSFER,
            "clearing: ledger.transfers",
            f"transfer {row['transfer_id']} {row['kind']} {'/'.join(row['states'])}: "
            + ", ".join(f"{e['owner']} {e['asset']} {e['amount']:+}" for e in row["entries"]),
            row,
        )
        for row in found
    ]
