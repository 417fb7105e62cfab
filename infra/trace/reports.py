"""Finds an order's trades in the daily reports that lie in the bucket."""

import csv
import io
from typing import Any

from infra.local import aws
from infra.local.settings import Settings
from infra.trace.model import REPORT, Hop
from infra.trace.stores import rows


def report_lines(
    settings: Settings, bucket: str, clearing_dsn: str, trade_ids: set[str]
) -> list[Hop]:
    """Return, for each report that has one, the order's lines of the newest revision."""
    if not trade_ids:
        return []
    keys = rows(
        clearing_dsn,
        "select distinct object_key, name from reporting.reports "
        "where name in ('trades.csv', 'mifid2-transactions.xml') order by object_key",
    )
    client = aws.s3(settings)
    hops = []
    for row in keys:
        body = client.get_object(Bucket=bucket, Key=row["object_key"])["Body"].read().decode()
        finder = _csv_lines if row["name"] == "trades.csv" else _xml_lines
        for number, data in finder(body, trade_ids):
            where = f"s3://{bucket}/{row['object_key']}"
            hops.append(Hop(REPORT, where, f"{row['name']} line {number}", data))
    return hops


def _csv_lines(body: str, trade_ids: set[str]) -> list[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(body, newline=""))
    return [(reader.line_num, dict(line)) for line in reader if line["trade_id"] in trade_ids]


def _xml_lines(body: str, trade_ids: set[str]) -> list[tuple[int, dict[str, Any]]]:
    wanted = {f"<TxId>{trade_id}{side}</TxId>" for trade_id in trade_ids for side in "BS"}
    return [
        (number, {"line": line.strip()})
        for number, line in enumerate(body.splitlines(), start=1)
        if line.strip() in wanted
    ]
