"""`trading token`: log in as one of the provisioned users."""

import json

import click

from infra.local import provision, settings


@click.command()
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def token(user: str, as_json: bool) -> None:
    """Print an access token of USER (alice or bob), good for an hour."""
    access_token = provision.log_in(settings.load(), user)
    click.echo(
        json.dumps({"user": user, "access_token": access_token}) if as_json else access_token
    )
