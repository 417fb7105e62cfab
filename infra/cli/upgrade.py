"""`trading upgrade`: let a standby that runs this code take over from the engine."""

import click

from infra.local import settings
from infra.local.stack import LocalStack
from infra.local.upgrade import upgrade as replace_engine


@click.command()
def upgrade() -> None:
    """Start a new standby, check it on the live journal, switch to it. Needs TRADING_STANDBY=1."""
    click.echo(replace_engine(LocalStack(settings.load())))
