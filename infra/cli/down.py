"""`trading down`: stop the platform."""

import click

from infra.local import settings
from infra.local.stack import LocalStack


@click.command()
def down() -> None:
    """Stop every part; data stays and is there again after the next `trading up`."""
    LocalStack(settings.load()).down()
