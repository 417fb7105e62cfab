"""`trading up`: start the platform and return when it is healthy."""

import json

import click

from infra.local import settings
from infra.local.stack import LocalStack


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def up(as_json: bool) -> None:
    """Start the platform; return when every part is healthy. Harmless when it runs already."""
    provisioned = LocalStack(settings.load()).up()
    click.echo(json.dumps(provisioned.as_json()) if as_json else provisioned.as_text())
