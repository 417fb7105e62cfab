"""`trading status`: the health of every part."""

import json
from typing import Any

import click

from infra.local import deploy, settings
from infra.local.stack import LocalStack


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--api", "api_only", is_flag=True, help="Print the API's address and nothing else.")
@click.pass_context
def status(context: click.Context, as_json: bool, api_only: bool) -> None:
    """Show the state of every part. Exit code 1 unless all are healthy."""
    stack = LocalStack(settings.load())
    if api_only:
        click.echo(deploy.api_url(stack.settings))
        return
    report = stack.status()
    if as_json:
        click.echo(json.dumps(report))
    else:
        for part in report["parts"]:
            click.echo(f"{part['name']:<12} {part['state']:<10} {part['detail']}")
        click.echo(_engines(report))
    if any(part["state"] != "healthy" for part in report["parts"]):
        context.exit(1)


def _engines(report: dict[str, Any]) -> str:
    """Return which core the engines run, or how many of them answer if not all do."""
    engines = [part for part in report["parts"] if part["name"].partition("-")[0] == "engine"]
    answering = [part for part in engines if part["state"] == "healthy"]
    if len(answering) < len(engines):
        return f"{len(answering)} of {len(engines)} engines answer"
    return f"the engine runs the {'compiled' if report['compiled'] else 'interpreted'} core"
