"""`trading up`: start the platform and return when it is healthy."""

import json
from dataclasses import replace

import click

from infra.local import settings
from infra.local.stack import LocalStack


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option(
    "--shards",
    type=click.IntRange(1, settings.MAX_SHARDS),
    help="Engines that share the instruments; kept in the settings. A new stack has one.",
)
def up(as_json: bool, shards: int | None) -> None:
    """Start the platform; return when every part is healthy. Harmless when it runs already."""
    found = settings.load()
    if shards is not None:
        found = replace(found, shards=shards)
    provisioned = LocalStack(found).up()
    click.echo(json.dumps(provisioned.as_json()) if as_json else provisioned.as_text())
