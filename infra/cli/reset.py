"""`trading reset`: stop the platform and forget its data."""

import click

from infra.local import settings
from infra.local.stack import LocalStack


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop every part and delete all data and logs: the next `trading up` starts afresh."""
    stack = LocalStack(settings.load())
    if not yes:
        click.confirm(f"Delete everything in {stack.settings.state}?", abort=True)
    stack.reset()
