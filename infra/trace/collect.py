"""Puts an order's trace together."""

from infra.local import databases, deploy
from infra.local.settings import Settings
from infra.trace import hot_path, logs, reports, stores
from infra.trace.model import Trace
from shared.reference import instruments
from shared.streams import open_stream


class UnknownOrder(Exception):
    """No store knows the order."""


def collect(settings: Settings, order_id: int) -> Trace:
    """Return all that the stores hold of one order; raise UnknownOrder when they hold nothing."""
    core, clearing = (databases.owner_dsn(settings, name) for name in ("core", "clearing"))
    row = stores.order_row(core, order_id)
    if row is None:
        raise UnknownOrder(f"order {order_id} is not known")
    trades = stores.trades(clearing, order_id)
    netting = stores.instructions(clearing, order_id, row["account_id"])
    shard = instruments().shard_of(row["instrument_id"], settings.shards)
    journal = hot_path.journal(settings.journal_of(shard), order_id)
    sequences = {hop.data["sequence"] for hop in journal}
    events = open_stream(settings.stream_url)
    try:
        messages = hot_path.stream(
            events, order_id, row["account_id"], row["instrument_id"], sequences, shard
        )
    finally:
        events.close()
    bucket = deploy.require(settings).outputs["ReportBucketName"]
    trade_ids = {str(hop.data["trade_id"]) for hop in trades}
    return Trace(
        order_id=order_id,
        trace_id=row["trace_id"],
        status=row["status"],
        has_traded=row["filled_lots"] > 0,
        came_by_api=bool(row["user_id"]),
        hops=[
            stores.request_hop(row),
            *logs.log_lines(settings, row["trace_id"]),
            *journal,
            *messages,
            *trades,
            *netting,
            *stores.transfers(clearing, netting),
            *reports.report_lines(settings, bucket, clearing, trade_ids),
        ],
    )
