"""What operators send to the back office, and what it answers."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from shared.edge.models import AnswerModel, DecimalText, IdText, RequestModel


class ActionRequest(RequestModel):
    """Who does it and why: both stay in the audit trail for good."""

    operator: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{2,64}$")]
    reason: Annotated[str, StringConstraints(min_length=3, max_length=200)]


Session = Literal[
    "CONTINUOUS",
    "HALTED",
    "CLOSED",
    "PRE_OPEN",
    "OPENING_UNCROSS",
    "VOLATILITY_AUCTION",
    "CLOSING_AUCTION",
]


class SessionRequest(ActionRequest):
    """`docs/RULES.md` says which session may follow which."""

    session: Session


class UncrossRequest(ActionRequest):
    """`session` is what follows the auction."""

    session: Literal["CONTINUOUS", "HALTED", "CLOSED"]


class KillSwitchRequest(ActionRequest):
    """While it is on, new orders are refused; turning it on cancels what is open."""

    scope: Literal["ACCOUNT", "GROUP", "FIRM"]
    target: IdText | None = None  # an account or a group; none for the firm
    on: bool


class CorrectTradeRequest(ActionRequest):
    """The terms that the trade should have had."""

    symbol: Annotated[str, StringConstraints(max_length=32)]
    price: DecimalText
    quantity: DecimalText


class ShardAnswer(AnswerModel):
    """What one engine said: APPLIED, REFUSED (and why), or AWAY while it cannot be reached."""

    shard: int
    engine: str
    engine_sequence: str | None
    refusal: str | None


class ActionAnswer(AnswerModel):
    """`engine` is APPLIED, REFUSED (and why), or PENDING while the engine cannot be reached.

    `symbol` is what it was done to: an instrument, ALL of them, an account, a trade. Where several
    engines are concerned, it is PENDING until all have answered, and `shards` has each one's
    answer.
    """

    action_id: str
    action: str
    symbol: str
    detail: str
    engine: str
    engine_sequence: str | None
    refusal: str | None
    shards: list[ShardAnswer]


class Profile(AnswerModel):
    user_id: str
    email: str
    name: str
    country: str
    kyc_status: str
    currency: str
    opened_at: str


class PositionAnswer(AnswerModel):
    symbol: str
    total: str
    settled: str
    reserved_buy: str
    reserved_sell: str


class EngineAnswer(AnswerModel):
    state: str
    currency: str
    total: str
    settled: str
    reserved: str
    held: str
    available: str
    positions: list[PositionAnswer]


class LedgerBalance(AnswerModel):
    """Posted amount: money in major units, securities in shares."""

    asset: str
    purpose: str
    amount: str


class OrderAnswer(AnswerModel):
    order_id: str
    symbol: str
    side: str
    price: str | None
    quantity: str
    leaves: str
    status: str | None = None


class AccountAnswer(AnswerModel):
    """`engine` is absent for an account that the engine does not know."""

    account_id: str
    profile: Profile | None
    engine: EngineAnswer | None
    ledger: list[LedgerBalance]
    open_orders: list[OrderAnswer]
    last_orders: list[OrderAnswer]


class AuditEntry(AnswerModel):
    action_id: str
    action: str
    subject: str
    detail: str
    operator: str
    reason: str
    engine: str
    trace_id: str
    created_at: str


class AuditAnswer(AnswerModel):
    """`next_before` fetches the next page; it is absent on the last."""

    actions: list[AuditEntry]
    next_before: str | None = None
