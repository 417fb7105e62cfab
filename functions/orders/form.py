"""The form of an order request: which members go together, by the rules of order_rules.toml.

The session's rules are the engine's to judge; the others are judged here as well, with its codes.
"""

from dataclasses import dataclass
from typing import Final

from functions.orders.models import PlaceOrderRequest
from shared.domain.order_rules import Combination, order_rules
from shared.domain.reject_codes import RejectCode

_ANY_SESSION: Final = "CONTINUOUS"  # rules of form name no session
_LIMITED: Final = ("LIMIT", "STOP_LIMIT", "PEGGED")
# member -> the types that need it, and those that may have it besides
_BY_TYPE: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "price": (_LIMITED, ()),
    "stop_price": (("STOP", "STOP_LIMIT"), ("TRAILING_STOP",)),
    "trailing_offset": (("TRAILING_STOP",), ()),
    "peg_price_type": (("PEGGED",), ()),
    "peg_offset": ((), ("PEGGED",)),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order cannot be taken: a stable code, the request's member, one sentence."""

    code: str
    member: str
    detail: str


def form_refusal(request: PlaceOrderRequest, time_in_force: str) -> Refusal | None:
    """Return the first reason against the request's form, or None."""
    return _rule_against(request, time_in_force) or _members(request, time_in_force)


def _rule_against(request: PlaceOrderRequest, time_in_force: str) -> Refusal | None:
    chosen = (
        ("HIDDEN", request.hidden),
        ("ICEBERG", request.display_quantity is not None),
        ("POST_ONLY", request.post_only),
        ("MINIMUM", request.minimum_quantity is not None),
        ("SHORT", request.side == "SELL_SHORT"),
    )
    combination = Combination(
        type=request.type,
        time_in_force=time_in_force,
        session=_ANY_SESSION,
        self_trade=request.self_trade_prevention or "ALLOWED",
        flags=frozenset(flag for flag, is_set in chosen if is_set),
    )
    rules = [rule for rule in order_rules().refusals if rule.applies(combination)]
    rule = min(rules, key=lambda rule: rule.code, default=None)
    if rule is None or rule.code >= RejectCode.UNKNOWN_ACCOUNT:
        return None  # the rest is about sessions
    return Refusal(rule.code.name.lower(), _MEMBER_OF[rule.code], rule.why)


_MEMBER_OF: Final = {
    RejectCode.TIME_IN_FORCE_NOT_FOR_TYPE: "time_in_force",
    RejectCode.FLAG_NOT_FOR_TYPE: "type",
    RejectCode.HIDDEN_AND_ICEBERG: "hidden",
    RejectCode.POST_ONLY_MUST_REST: "post_only",
    RejectCode.MINIMUM_NEEDS_IOC: "minimum_quantity",
    RejectCode.DISPLAY_MUST_REST: "time_in_force",
    RejectCode.SELF_TRADE_MODE_WITHOUT_USE: "self_trade_prevention",
}


def _members(request: PlaceOrderRequest, time_in_force: str) -> Refusal | None:
    """Return which member is missing, or may not be there."""
    kind = request.type
    for member, (needed_by, allowed_for) in _BY_TYPE.items():
        given = getattr(request, member) is not None
        if kind in needed_by and not given:
            return Refusal(f"{member}_required", member, f"A {kind} order needs it.")
        if given and kind not in (*needed_by, *allowed_for):
            return Refusal(f"{member}_not_allowed", member, f"A {kind} order has none.")
    pairs = (
        ("expire_at", time_in_force == "GTD", "GTD goes with expire_at."),
        ("linked_order_id", request.contingency_type is not None, "A contingency names an order."),
    )
    for member, wanted, detail in pairs:
        given = getattr(request, member) is not None
        if wanted != given:
            return Refusal(f"{member}_{'required' if wanted else 'not_allowed'}", member, detail)
    if request.locate_quantity is not None and request.side != "SELL_SHORT":
        detail = "Only a short sale has located shares."
        return Refusal("locate_quantity_not_allowed", "locate_quantity", detail)
    return None
