"""`trading waiting`: what no engine has answered yet, to know when an outage is over."""

import json
from dataclasses import asdict

import click

from infra.local import settings
from infra.local.waiting import QUERIES
from infra.local.waiting import waiting as find_waiting


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--sql", is_flag=True, help="Print the queries instead, for psql on another host.")
@click.pass_context
def waiting(context: click.Context, as_json: bool, sql: bool) -> None:
    """Count what waits for an engine's answer. Exit code 1 while anything does."""
    if sql:
        for what, database, query in QUERIES:
            click.echo(f"-- {database}: {what}\n{query};")
        return
    found = find_waiting(settings.load())
    if as_json:
        click.echo(json.dumps([asdict(kind) for kind in found]))
    else:
        for kind in found:
            age = f"the oldest for {kind.oldest_s} s" if kind.count else ""
            click.echo(f"{kind.what:<34} {kind.count:>6}  {age}".rstrip())
    if any(kind.count for kind in found):
        context.exit(1)
