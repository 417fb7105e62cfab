"""The demo's story: one short trading day on a stack of its own, told as it happens."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra.demo.candles import candles_of, draw
from infra.demo.checks import run_checks
from infra.demo.flow import OrderFlow
from infra.demo.listener import Heard, Listener
from infra.demo.market import FlowReport, Members, percentile
from infra.local import backoffice, databases, provision, settlement, users
from infra.local.api import ApiClient, ApiError
from infra.local.catching_up import wait_until_caught_up
from infra.local.opening_balances import OpeningBalances
from infra.local.settings import Settings
from infra.local.users import Person
from infra.trace.collect import collect
from infra.trace.model import ALL_HOPS
from infra.trace.stores import rows
from shared.ports.engine import BookLevel
from shared.reference import instruments

FLOW_SYMBOL: Final = "ORBT"
PERSONAL_SYMBOL: Final = "NOVA"
FLOW_SEED: Final = 20_101_102
FLOW_LOTS: Final = 10
MEMBERS: Final = tuple(
    Person(f"member{number}", "Member", name, "900000.00")
    for number, name in enumerate(("North", "East", "South", "West"), start=1)
)
_MEMBER_SHARES_LOTS: Final = 50_000


class Story:
    """Runs the day step by step; `tell` returns whether every closing check holds."""

    def __init__(self, settings: Settings, console: Console, arrivals: int) -> None:
        self._settings = settings
        self._console = console
        self._arrivals = arrivals
        self._flow_instrument = instruments().by_symbol[FLOW_SYMBOL]

    def tell(self) -> bool:
        self._people()
        order_id = self._first_order()
        self._refusals()
        report, heard = asyncio.run(self._flow())
        self._market(report, heard)
        self._halt()
        self._settle()
        self._trace(order_id)
        return self._verdict(heard)

    # --- 1: people -----------------------------------------------------------------------------

    def _people(self) -> None:
        self._chapter("People register, are identified, pay in")
        self._accounts: dict[str, int] = {}
        with provision.engine_client(self._settings) as engine:
            opening = OpeningBalances(databases.service_dsn(self._settings, "payments"), engine)
            for member in MEMBERS:
                with self._client(member) as api:
                    password = users.password(self._settings, member.name)
                    profile = users.ensure_verified(api, member, password)
                    users.ensure_funded(api, member)
                account_id = int(profile["account_id"])
                opening.grant_shares(
                    account_id,
                    self._flow_instrument,
                    _MEMBER_SHARES_LOTS,
                    f"demo/{account_id}",
                )
                cash = engine.account(account_id)
                assert cash is not None, "it was funded a moment ago"
                opening.bring_cash(account_id, self._flow_instrument, cash.available_minor)
                self._accounts[member.name] = account_id
        people = [*users.PEOPLE.values(), *MEMBERS]
        table = _table("user", "account", "identity", "cash", "buying power", "shares")
        for person in people:
            with self._client(person) as api:
                table.add_row(person.name, *_balance_cells(api.profile(), api.balances()))
        self._console.print(table)

    # --- 2: one order --------------------------------------------------------------------------

    def _first_order(self) -> int:
        """Alice offers to buy, Bob sells to her; return Alice's order."""
        self._chapter(f"Alice bids for {PERSONAL_SYMBOL}, Bob sells to her")
        instrument = instruments().by_symbol[PERSONAL_SYMBOL]
        with provision.engine_client(self._settings) as engine:
            book = engine.book(instrument.instrument_id, 1)
        assert book is not None and book.bids and book.asks, "the stack provides liquidity"
        # Inside the spread, so that Bob's market order meets Alice first.
        price = instrument.price_text(
            min(book.bids[0].price_ticks + 1, book.asks[0].price_ticks - 1)
        )
        with self._person("alice") as alice, self._person("bob") as bob:
            placed = alice.place_order(PERSONAL_SYMBOL, "BUY", "100", price)
            self._say(f"alice: BUY 100 at {price} → {placed['status']}, order {placed['order_id']}")
            sold = bob.place_order(PERSONAL_SYMBOL, "SELL", "100")
            self._say(f"bob:   SELL 100 at market → {sold['status']} at {sold['average_price']}")
            filled = users.wait_for(
                "alice's fill",
                lambda: _if_status(alice.order(placed["order_id"]), "FILLED"),
            )
            self._say(f"alice: {filled['status']} at {filled['average_price']}")
        return int(placed["order_id"])

    def _refusals(self) -> None:
        self._chapter("What is not right is refused with a code, and nothing happens")
        attempts: tuple[tuple[str, dict[str, Any]], ...] = (
            ("a price off the tick", {"price": "10.001", "quantity": "1"}),
            ("an unknown instrument", {"symbol": "NOPE", "price": "10.00", "quantity": "1"}),
            ("more than she has", {"price": "10.00", "quantity": "900000"}),
        )
        table = _table("alice asks for", "answer", "code")
        with self._person("alice") as alice:
            for what, changed in attempts:
                body = {"symbol": PERSONAL_SYMBOL, "side": "BUY", "type": "LIMIT", **changed}
                try:
                    alice.call("POST", "/api/v1/orders", body)
                except ApiError as error:
                    table.add_row(what, str(error.status), error.code)
        self._console.print(table)

    # --- 3: the market -------------------------------------------------------------------------

    async def _flow(self) -> tuple[FlowReport, Heard]:
        self._chapter(f"Four members trade {FLOW_SYMBOL} over the order-entry protocol")
        instrument = self._flow_instrument
        tokens = {}
        for member in MEMBERS:
            with self._client(member) as api:
                tokens[self._accounts[member.name]] = api.order_entry_token()
        flow = OrderFlow(FLOW_SEED, instrument.reference_price_ticks, FLOW_LOTS)
        address = self._settings.address("engine", instrument.shard % self._settings.shards)
        members = Members(address, tokens, instrument.instrument_id)
        report = FlowReport()
        await members.log_on()
        async with Listener(self._settings.feed_url, FLOW_SYMBOL) as listener:
            await members.run(flow.opening_book(), report)
            await members.run(flow.steps(self._arrivals), report)
            await listener.reach(report.last_book_sequence)
        await members.close()
        return report, listener.heard

    def _market(self, report: FlowReport, heard: Heard) -> None:
        sent = ", ".join(f"{count} {kind.lower()}" for kind, count in report.commands.items())
        rate = sum(report.commands.values()) / report.seconds
        self._say(
            f"{sent} orders; {len(report.trades)} trades; {rate:,.0f} commands/s one at a time,"
            f" each durable ({self._settings.durability}) before its answer"
        )
        self._console.print(self._book_table())
        price = self._flow_instrument.price_text
        for line in draw(candles_of(report.trades, 36), 10, price):
            self._console.print(line, highlight=False)
        table = _table("latency", "p50", "p95", "p99")
        table.add_row("order → durable answer", *_milliseconds(report.ack_ns))
        table.add_row("engine → WebSocket client", *_milliseconds(heard.latency_ns))
        self._console.print(table)

    def _book_table(self) -> Table:
        instrument = self._flow_instrument
        with provision.engine_client(self._settings) as engine:
            book = engine.book(instrument.instrument_id, 5)
        assert book is not None
        table = _table("bid lots", "bid", "ask", "ask lots", title=f"{FLOW_SYMBOL}, best levels")
        for level in range(max(len(book.bids), len(book.asks))):
            bid, ask = _at(book.bids, level), _at(book.asks, level)
            table.add_row(
                str(bid.quantity_lots) if bid else "",
                instrument.price_text(bid.price_ticks) if bid else "",
                instrument.price_text(ask.price_ticks) if ask else "",
                str(ask.quantity_lots) if ask else "",
            )
        return table

    # --- 4: the back office ----------------------------------------------------------------------

    def _halt(self) -> None:
        self._chapter("An operator looks at an account, halts an instrument, resumes it")
        with backoffice.BackofficeClient(self._settings) as office, self._person("bob") as bob:
            profile = bob.profile()
            shown = office.account(int(profile["account_id"]))
            self._say(f"account {profile['account_id']}: {shown['profile']['kyc_status']}")
            halted = office.halt(PERSONAL_SYMBOL, "operator-1", "demonstration")
            self._say(f"{PERSONAL_SYMBOL} halted: {halted['engine']}")
            try:
                bob.place_order(PERSONAL_SYMBOL, "SELL", "1", "20.00")
            except ApiError as error:
                self._say(f"bob's order meanwhile: {error.status} {error.code}")
            resumed = office.resume(PERSONAL_SYMBOL, "operator-1", "demonstration over")
            self._say(f"{PERSONAL_SYMBOL} resumed: {resumed['engine']}")

    # --- 5: settlement and report ----------------------------------------------------------------

    def _settle(self) -> None:
        self._chapter("Trades are captured, netted, settled against payment, reported")
        waited = wait_until_caught_up(self._settings)
        self._say(f"every consumer has read to the end of the stream after {waited:.1f} s")
        clearing = databases.owner_dsn(self._settings, "clearing")
        for business_date in settlement.business_dates_of_trades(self._settings):
            began = time.monotonic()
            result = settlement.settle(self._settings, business_date)
            took_s = time.monotonic() - began
            self._say(f"batch {business_date}: {result['status']} in {took_s:.1f} s")
            self._date = business_date
        table = _table("instruction", "account", "ISIN", "cash", "lots", "trades", "state")
        for row in rows(
            clearing,
            "select i.*, count(*) as trades from settlement.instructions i "
            "join settlement.instruction_obligations using (instruction_number) "
            "group by i.instruction_number order by i.instruction_number",
        ):
            table.add_row(
                row["instruction_id"],
                str(row["account_id"]),
                row["isin"],
                f"{row['cash_minor'] / 100:,.2f} {row['currency']}",
                f"{row['quantity_lots']:+}",
                str(row["trades"]),
                row["state"],
            )
        self._console.print(table)
        for report in rows(clearing, "select * from reporting.reports order by name, revision"):
            self._say(f"s3 {report['object_key']}: {report['rows']} rows, {report['bytes']} bytes")
        wait_until_caught_up(self._settings)

    def _trace(self, order_id: int) -> None:
        self._chapter(f"The whole way of alice's order (`trading trace {order_id}`)")
        with self._person("alice") as alice:
            users.wait_for(
                "alice's order to be settled",
                lambda: _if_status(alice.order(str(order_id)), "SETTLED"),
            )
        found = collect(self._settings, order_id)
        for kind in ALL_HOPS:
            for hop in [hop for hop in found.hops if hop.kind == kind][:3]:
                self._say(f"{kind:<20} {hop.summary[:100]}")
        self._say(f"missing: {', '.join(found.missing) or 'nothing'}; order {found.status}")

    # --- 6: the verdict --------------------------------------------------------------------------

    def _verdict(self, heard: Heard) -> bool:
        self._chapter("Does it all add up?")
        checks = list(run_checks(self._settings, self._date, heard))
        for check in checks:
            mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
            self._console.print(f"  {mark} {check.name}: {check.detail}", highlight=False)
        return all(check.ok for check in checks)

    # --- telling ---------------------------------------------------------------------------------

    def _chapter(self, title: str) -> None:
        self._console.print(f"\n[bold]{title}[/]")

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False)

    def _person(self, name: str) -> ApiClient:
        return users.client(self._settings, name)

    def _client(self, person: Person) -> ApiClient:
        password = users.password(self._settings, person.name)
        return ApiClient(users.address(self._settings), person.email, password)


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _balance_cells(profile: Mapping[str, Any], balances: Mapping[str, Any]) -> list[str]:
    shares = ", ".join(f"{item['total']} {item['symbol']}" for item in balances["positions"])
    cash = f"{balances['total']} {balances['currency']}"
    return [profile["account_id"], profile["kyc_status"], cash, balances["available"], shares]


def _milliseconds(values_ns: list[int]) -> list[str]:
    return [f"{percentile(values_ns, q) / 1e6:.2f} ms" for q in (0.5, 0.95, 0.99)]


def _at(levels: Any, index: int) -> BookLevel | None:
    return levels[index] if index < len(levels) else None


def _if_status(order: dict[str, Any], status: str) -> dict[str, Any] | None:
    return order if order["status"] == status else None
