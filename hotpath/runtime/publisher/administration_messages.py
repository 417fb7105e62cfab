"""What risk and operators are told of sessions, price limits, amended trades and changed terms."""

from typing import Final

from msgspec.structs import replace

from hotpath.runtime.publisher.market_messages import state_of
from hotpath.runtime.publisher.told import Told, name_of
from shared.domain import records as r
from shared.domain.events import EngineEvent
from shared.domain.ids import trade_id
from shared.domain.reject_codes import PriceLimit
from shared.wire import stream_events as s

# event -> type, names of the words E_PRICE to E_OLD_PRICE that tell something
_TERMS: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    r.INSTRUMENT_CHANGED: ("INSTRUMENT_TERMS", ("reference_ticks",)),
    r.FEE_TIER_CHANGED: ("FEE_TIER", ("", "tier", "maker_rate", "taker_rate", "auction_rate")),
    r.TICK_TABLE_CHANGED: ("TICK_TABLE", ("", "table")),
    r.ACCOUNT_TERMS_CHANGED: ("ACCOUNT_TERMS", ("fee_tier", "group", "leverage_hundredths")),
    r.THROTTLE_CHANGED: ("THROTTLE", ("session", "limit")),
    r.DAY_ENDED: ("DAY_ENDED", ("", "day")),
}
_KILL_SCOPES: Final = {r.KILL_ACCOUNT: "ACCOUNT", r.KILL_GROUP: "GROUP", r.KILL_FIRM: "FIRM"}
MARKET_KINDS: Final = (
    r.INSTRUMENT_ADDED,
    r.INSTRUMENT_STATE_CHANGED,
    r.PRICE_LIMIT_HIT,
    r.TRADE_BUSTED,
    r.TRADE_CORRECTED,
    r.KILL_SWITCH_CHANGED,
    *_TERMS,
)


def administered(told: Told, event: EngineEvent) -> tuple[int, s.RiskEvent]:
    """Return the key and the message about an event of MARKET_KINDS."""
    if event.kind in (r.INSTRUMENT_ADDED, r.INSTRUMENT_STATE_CHANGED):
        bare = replace(told.risk_event(event, "INSTRUMENT_STATE"), account_id="")
        return event.instrument_id, replace(bare, state=state_of(event), reason=_limit(event))
    if event.kind == r.PRICE_LIMIT_HIT:
        bare = told.risk_event(event, "PRICE_LIMIT")
        hit = replace(bare, reason=_limit(event), price_ticks=event.price_ticks)
        return event.instrument_id, hit
    if event.kind in (r.TRADE_BUSTED, r.TRADE_CORRECTED):
        return event.instrument_id, _amended(told, event)
    if event.kind == r.KILL_SWITCH_CHANGED:
        return event.account_id, _killed(told, event)
    type_, names = _TERMS[event.kind]
    words = event.words[r.E_PRICE :]
    terms = {name: words[place] for place, name in enumerate(names) if name}
    key = event.account_id or event.instrument_id
    return key, replace(told.risk_event(event, type_), terms=terms)


def _limit(event: EngineEvent) -> str:
    """Return the limit on prices that an event names, if it does."""
    return name_of(PriceLimit, event.code) if event.code else ""


def _amended(told: Told, event: EngineEvent) -> s.RiskEvent:
    """Tell of a trade that was busted or corrected; one word holds both accounts."""
    busted = event.kind == r.TRADE_BUSTED
    sequence, index = event.words[r.E_LEAVES], event.words[r.E_CONTRA_ID]
    return replace(
        told.risk_event(event, "TRADE_BUSTED" if busted else "TRADE_CORRECTED"),
        account_id="",
        trade_id=str(trade_id(told.shard, sequence, index)),
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        buy_account_id=str(event.account_id),
        sell_account_id=str(event.contra_account_id),
    )


def _killed(told: Told, event: EngineEvent) -> s.RiskEvent:
    """Tell of a kill switch; its target is an account, a group, or 0 for the firm."""
    scope = _KILL_SCOPES.get(event.price_ticks, str(event.price_ticks))
    is_account = event.price_ticks == r.KILL_ACCOUNT
    return replace(
        told.risk_event(event, "KILL_SWITCH"),
        account_id=str(event.account_id) if is_account else "",
        state="ON" if event.quantity_lots else "OFF",
        reason=scope,
        terms={} if is_account else {"target": event.account_id},
    )
