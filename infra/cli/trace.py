"""`trading trace ORDER_ID`: print an order's whole way through the platform."""

import json

import click

from infra.local import settings
from infra.trace.collect import UnknownOrder, collect
from infra.trace.model import ALL_HOPS


@click.command()
@click.argument("order_id", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def trace(order_id: int, as_json: bool) -> None:
    """Print an order's whole way: request, log lines, journal, stream, trades, netting, report.

    Exits with 1 when the order is unknown or a hop that it should have met is missing.
    """
    try:
        found = collect(settings.load(), order_id)
    except UnknownOrder as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(found.as_json(), default=str))
    else:
        click.echo(f"order {order_id}  {found.status}  trace {found.trace_id or '–'}")
        for kind in ALL_HOPS:
            for hop in found.hops:
                if hop.kind == kind:
                    click.echo(f"  {kind:<20} {hop.summary}\n  {'':<20}   {hop.where}")
        for kind in found.missing:
            click.echo(f"  {kind:<20} MISSING")
    if found.missing:
        raise SystemExit(1)
