"""What each store holds, read for the closing checks."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from defusedxml import ElementTree

from functions.reporting.mifid import NAMESPACE
from hotpath.runtime.journal.reader import JournalScan
from infra.local import aws, databases, deploy
from infra.local.provision import engine_client
from infra.local.settings import Settings
from infra.trace.hot_path import messages
from infra.trace.stores import rows
from shared.domain import records as r
from shared.domain.money import CURRENCY_BY_NUMBER
from shared.ports.engine import AccountView
from shared.ports.event_stream import TopicPartition
from shared.reference import instruments
from shared.streams import open_stream
from shared.wire.stream_events import TRADE_EXECUTIONS, partition_counts

Holdings = Mapping[tuple[int, str], int]  # (account, ISO 4217 code or ISIN) to minor units or lots

_LEDGER_HOLDINGS = """
    select owner, asset, sum(amount)::bigint as amount from (
        select substr(a.owner, 3)::bigint, a.asset, b.posted
        from ledger.accounts a join ledger.balances b using (account_id)
        where a.owner like 'M:%%' and a.purpose in ('SETTLED', 'WITHDRAWAL')
        union all
        select o.account_id, o.currency, o.cash_minor
        from settlement.obligations o where o.state <> 'SETTLED'
        union all
        select o.account_id, t.isin, o.quantity_lots
        from settlement.obligations o join settlement.trades t using (trade_id)
        where o.state <> 'SETTLED'
    ) held (owner, asset, amount)
    group by owner, asset having sum(amount) <> 0
"""


class Evidence:
    """Reads one stack's stores, each on its own: no figure comes from another store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.core, self.clearing, self.market = (
            databases.owner_dsn(settings, name) for name in ("core", "clearing", "market")
        )

    def accounts(self) -> list[int]:
        found = rows(self.core, "select account_id from users.accounts order by account_id")
        return [row["account_id"] for row in found]

    def engine_holdings(self) -> Holdings:
        """Return what the engine counts as owned, leaving out what is zero."""
        owned: dict[tuple[int, str], int] = {}
        with engine_client(self.settings) as engine:
            for account_id in self.accounts():
                view = engine.account(account_id)
                if view is not None:
                    owned |= _owned(view)
        return {key: amount for key, amount in owned.items() if amount}

    def ledger_holdings(self) -> Holdings:
        """Return posted member balances together with what unsettled trades will add."""
        found = rows(self.clearing, _LEDGER_HOLDINGS)
        return {(row["owner"], row["asset"]): row["amount"] for row in found}

    def risk_positions(self) -> Holdings:
        by_id = instruments().by_id
        found = rows(
            self.clearing,
            "select account_id, instrument_id, traded_lots + deposited_lots as lots "
            "from risk.positions where traded_lots + deposited_lots <> 0",
        )
        return {(row["account_id"], by_id[row["instrument_id"]].isin): row["lots"] for row in found}

    def trades_in(self, dsn: str, table: str) -> tuple[int, int]:
        """Return (trades, lots) of a table."""
        row = rows(
            dsn,
            f"select count(*) as n, coalesce(sum(quantity_lots), 0)::bigint as lots from {table}",
        )[0]
        return row["n"], row["lots"]

    def trade_ids(self) -> list[int]:
        found = rows(self.clearing, "select trade_id from settlement.trades")
        return [row["trade_id"] for row in found]

    def reported_transactions(self) -> list[str]:
        """Return the transaction ids in the newest transaction reports of all business dates."""
        bucket = deploy.require(self.settings).outputs["ReportBucketName"]
        store = aws.s3(self.settings)
        pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="daily/")
        return [
            element.text or ""
            for page in pages
            for item in page.get("Contents", [])
            if item["Key"].endswith("/mifid2-transactions.xml")
            for element in ElementTree.fromstring(
                store.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            ).iter(f"{{{NAMESPACE}}}TxId")
        ]

    def journal_trades(self) -> tuple[int, int]:
        lots = [
            event[r.E_QUANTITY]
            for journal in self.settings.journals
            for _, _, record in JournalScan(journal)
            for command in record.commands()
            for event in command.events
            if event[r.E_HEADER] & 0xFF == r.TRADE_EXECUTED
        ]
        return len(lots), sum(lots)

    def stream_trades(self) -> tuple[int, int]:
        stream = open_stream(self.settings.stream_url)
        try:
            lots = [
                int(json.loads(value)["quantity_lots"])
                for partition in range(partition_counts(self.settings.shards)[TRADE_EXECUTIONS])
                for _, value in messages(stream, TopicPartition(TRADE_EXECUTIONS, partition))
            ]
        finally:
            stream.close()
        return len(lots), sum(lots)

    def open_orders_stored(self) -> dict[int, int]:
        """Return the open lots of the orders that the orders service holds for open."""
        found = rows(
            self.core,
            "select order_id, leaves_lots from orders.orders "
            "where status in ('NEW', 'PENDING', 'PARTIALLY_FILLED')",
        )
        return {row["order_id"]: row["leaves_lots"] for row in found}

    def open_orders_in_engine(self) -> dict[int, int]:
        with engine_client(self.settings) as engine:
            return {
                order.order_id: order.leaves_lots
                for account_id in self.accounts()
                for order in engine.open_orders(account_id)
            }

    def replayed_journal(self, shard: int) -> dict[str, Any]:
        """Replay a shard's journal in a process of its own, as an auditor would."""
        environment = {**os.environ, "TRADING_STATE": str(self.settings.state)}
        environment.pop("TRADING_PORT", None)
        command = ("journal", "verify", "--json", "--shard", str(shard))
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def _owned(view: AccountView) -> dict[tuple[int, str], int]:
    by_id = instruments().by_id
    owned = {(view.account_id, CURRENCY_BY_NUMBER[view.currency_number]): view.total_minor}
    for position in view.positions:
        owned[(view.account_id, by_id[position.instrument_id].isin)] = position.total_lots
    return owned


def securities(holdings: Holdings) -> Holdings:
    """Return the holdings whose asset is an ISIN."""
    return {key: amount for key, amount in holdings.items() if len(key[1]) == 12}
