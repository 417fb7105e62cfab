"""Sends again what is not known to be with the engine; the engine knows an order id it has."""

from dataclasses import dataclass
from typing import Final

from functions.orders import store
from functions.orders.service import OrderService, Sending
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

OLDER_THAN_MS: Final = 1_000  # younger ones are being sent by their own request
MAX_ORDERS: Final = 5_000
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class ResendReport:
    """How many orders were sent, and how many of them the engine answered for the first time."""

    sent: int
    answered: int


def resend(source: PoolSource, service: OrderService) -> ResendReport:
    """Send unanswered orders by their ids, until none is left whose engine answers."""
    sent = answered = after = 0
    silent: set[int] = set()  # instruments whose engine does not answer
    while sent < MAX_ORDERS:
        with UnitOfWork(source) as uow:
            page = store.find_unanswered(uow, OLDER_THAN_MS, after, _PAGE, silent)
        if not page:
            break
        for order in page:
            after = order.order_id
            sending = service.send(order).sending
            if sending is Sending.SILENT:
                silent |= service.traded_beside(order.terms.instrument_id)
                break
            sent += 1
            answered += sending is Sending.ANSWERED
    return ResendReport(sent, answered)
