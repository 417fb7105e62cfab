"""`trading backoffice`: what an operator does at the back office, from a shell."""

import json
from typing import Any

import click

from infra.local import settings
from infra.local.backoffice import BackofficeClient


@click.command()
@click.argument("method", type=click.Choice(["GET", "POST"], case_sensitive=False))
@click.argument("path")
@click.argument("body", required=False)
def backoffice(method: str, path: str, body: str | None) -> None:
    """Send a request with the operator's API key and print the answer's JSON.

    \b
    trading backoffice GET /audit
    trading backoffice POST /market/session '{"session": "HALTED", "operator": "me", "reason": "…"}'
    """
    document = _parsed(body)
    with BackofficeClient(settings.load()) as client:
        click.echo(json.dumps(client.call(method.upper(), path, document), indent=1))


def _parsed(body: str | None) -> dict[str, Any] | None:
    try:
        document = None if body is None else json.loads(body)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="BODY") from error
    if not isinstance(document, dict | None):
        raise click.BadParameter("not a JSON object", param_hint="BODY")
    return document
