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
    """Send unanswered orders by their ids, until none is left or the engine is away."""
    sent = answered = after = 0
    while sent < MAX_ORDERS:
        with UnitOfWork(source) as uow:
            page = store.find_unanswered(uow, OLDER_THAN_MS, after, _PAGE)
        for order in page:
            sending = service.send(order).sending
            if sending is Sending.SILENT:
                return ResendReport(sent, answered)
            sent += 1
            answered += sending is Sending.ANSWERED
            after = order.order_id
        if len(page) < _PAGE:
            break
    return ResendReport(sent, answered)
