"""What must hold at the end of every run, worked out from what was told and from the journal alone.

Nothing here asks the parts under test how they are: answers, topics and consumers' stores are
compared with the journal's bytes, and the journal's trades with the balances.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.ports.event_stream import TopicPartition
from shared.wire import frames
from shared.wire.journal import JournaledCommand, JournalError
from tests.sim.clients import ACCOUNTS, CASH_MINOR, LOTS, Clients
from tests.sim.consumers import Book, Ledger
from tests.support.engine import INSTRUMENT
from tests.support.memory_stream import MemoryBroker

_STAMPED = (r.C_TIME_NS, r.C_SEQUENCE)


def audit(
    journal: Path,
    clients: Clients,
    broker: MemoryBroker,
    ledger: Ledger,
    book: Book,
    engine: Engine,
) -> list[str]:
    """Return every broken promise in words."""
    try:
        commands = [c for _, _, record in JournalScan(journal) for c in record.commands()]
        recovered = recover(journal, 0)
    except JournalError as error:
        return [f"the journal is damaged: {error}"]
    problems = list(_answers(clients, commands))
    problems += _accepted_once(commands)
    problems += _topics(broker, commands)
    problems += _trades(ledger, commands)
    problems += _balances(ledger, clients, engine)
    problems += _book(book, engine)
    if recovered.engine.state_hash() != engine.state_hash():
        problems.append("a replay from the start gives another state than the engine has")
    return problems


def _answers(clients: Clients, commands: list[JournaledCommand]) -> Iterator[str]:
    """Everything that was acknowledged stands in the journal, word for word."""
    for answer in clients.answers:
        if answer.sequence > len(commands):
            yield f"lost: sequence {answer.sequence} was acknowledged"
            continue
        command = commands[answer.sequence - 1]
        events = b"".join(
            word.to_bytes(8, "little", signed=True) for event in command.events for word in event
        )
        asked = frames.decode_command(answer.frame).words
        if _unstamped(asked) != _unstamped(command.words) or events != answer.events:
            yield f"changed: sequence {answer.sequence} is not what was acknowledged"


def _unstamped(words: tuple[int, ...]) -> list[int]:
    """Return the words that the sender chose."""
    return [word for at, word in enumerate(words) if at not in _STAMPED]


def _accepted_once(commands: list[JournaledCommand]) -> Iterator[str]:
    """No order and no deposit takes effect twice, however often its frame came."""
    effects = Counter(
        (event[r.E_HEADER] & 0xFF, event[r.E_ID])
        for command in commands
        for event in command.events
        if event[r.E_HEADER] & 0xFF in (r.ORDER_ACCEPTED, r.CASH_CHANGED)
    )
    yield from (f"duplicated: {what} took effect {n} times" for what, n in effects.items() if n > 1)


def _topics(broker: MemoryBroker, commands: list[JournaledCommand]) -> Iterator[str]:
    """Each partition holds the journal's messages, once, in order, byte for byte."""
    expected: dict[TopicPartition, list[tuple[bytes, bytes]]] = {}
    for command in commands:
        for _, message in messages(0, command):
            place = TopicPartition(message.topic, message.partition)
            expected.setdefault(place, []).append((message.key, message.value))
    for place, partition in broker.partitions.items():
        found = [(message.key, message.value) for message in partition.messages]
        wanted = expected.get(place, [])
        if found != wanted:
            yield (
                f"{place.topic}-{place.partition} holds {len(found)} messages"
                f" ({len(set(found))} different), the journal tells {len(wanted)}"
            )


def _trades(ledger: Ledger, commands: list[JournaledCommand]) -> Iterator[str]:
    """The ledger has the journal's trades, with their terms."""
    traded = Counter(
        (event[r.E_PRICE], event[r.E_QUANTITY], command.sequence, index)
        for command in commands
        for index, event in enumerate(command.events)
        if event[r.E_HEADER] & 0xFF == r.TRADE_EXECUTED
    )
    booked = Counter(
        (trade.price_ticks, trade.quantity_lots, trade.sequence, trade.index)
        for trade in ledger.trades.values()
    )
    if traded != booked:
        yield f"the ledger has {booked.total()} trades, the journal {traded.total()}"


def _balances(ledger: Ledger, clients: Clients, engine: Engine) -> Iterator[str]:
    """Engine and ledger agree about each account, and nothing was made or lost."""
    cash_of_all = lots_of_all = 0
    for account in range(1, ACCOUNTS + 1):
        found = engine.queries.account(account)
        positions = {row[0]: row[1] for row in engine.queries.positions(account)}
        cash, lots = found[2] if found else 0, positions.get(INSTRUMENT, 0)
        cash_of_all, lots_of_all = cash_of_all + cash, lots_of_all + lots
        if lots != LOTS + ledger.lots.get(account, 0):
            yield f"account {account} has {lots} lots, not what its trades make"
    if cash_of_all != ACCOUNTS * CASH_MINOR + clients.deposited_minor:
        yield f"all accounts have {cash_of_all}, not what was paid in"
    if lots_of_all != ACCOUNTS * LOTS:
        yield f"all accounts have {lots_of_all} lots, not what was paid in"
    if sum(ledger.cash.values()) or sum(ledger.lots.values()):
        yield "the ledger's sums are not zero"


def _book(book: Book, engine: Engine) -> Iterator[str]:
    """Market data alone gives the book that the engine has."""
    sides = engine.queries.book_levels(INSTRUMENT, 0) or ([], [])
    rows = {
        (name, row[0]): row[1]
        for name, side in zip(("BUY", "SELL"), sides, strict=True)
        for row in side
    }
    if rows != book.levels:
        yield f"the public book has {len(book.levels)} levels, the engine's {len(rows)}"
