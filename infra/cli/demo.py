"""`trading demo`: the whole trading day on a stack of its own; `trading demo failover`: an engine's
end, and who takes its place. Both are told and checked.
"""

import json
import os
import time
from dataclasses import asdict

import click
from rich.console import Console

from hotpath.build import ensure_core_build
from infra.demo.failover import Failover
from infra.demo.story import Story
from infra.local import settings
from infra.local.progress import Progress
from infra.local.stack import LocalStack


@click.group(invoke_without_command=True)
@click.option(
    "--arrivals",
    default=3_000,
    show_default=True,
    type=click.IntRange(1, 200_000),
    help="Steps of generated order flow.",
)
@click.pass_context
def demo(context: click.Context, arrivals: int) -> None:
    """Run the whole trading flow on a stack of its own; exit 0 only if every check holds."""
    if context.invoked_subcommand is not None:
        return
    console = Console(width=100)
    began = time.monotonic()
    choice = ensure_core_build(click.echo)
    console.print(
        f"the core is {choice.mode} {choice.reason}: {time.monotonic() - began:.0f} s for that",
        highlight=False,
    )
    began = time.monotonic()
    with settings.temporary() as own, LocalStack(own, Progress()):
        console.print(f"everything runs after {time.monotonic() - began:.0f} s", highlight=False)
        holds = Story(own, console, arrivals).tell()
    seconds = time.monotonic() - began
    verdict = "every check holds" if holds else "NOT every check holds"
    console.print(f"\n[bold]{verdict}[/]; {seconds:.0f} s from start to stop")
    raise SystemExit(0 if holds else 1)


@demo.command()
@click.option("--rate", default=5_000, show_default=True, help="Commands a second.")
@click.option("--load-s", default=2.0, show_default=True, help="Load before each takeover.")
@click.option(
    "--placement",
    default="same-host",
    show_default=True,
    type=click.Choice(["same-host", "other-host"]),
    help="Where the standby is; other-host needs Java and Maven, for Kafka.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def failover(rate: int, load_s: float, placement: str, as_json: bool) -> None:
    """End an engine under load again and again and let a standby take over; exit 0 only if nothing
    acknowledged was lost, each gap was under 2 s, and the old engine was refused.
    """
    if os.environ.get("TRADING_CORE") != "interpreted":
        ensure_core_build(lambda text: click.echo(text, err=True))
    if placement == "other-host":
        from infra.demo.other_host import (  # only then: it needs Kafka
            ENVIRONMENT,
            OtherHostFailover,
        )

        with settings.temporary(ENVIRONMENT) as own:
            outcome = OtherHostFailover(own, rate=rate, load_s=load_s).run()
    else:
        with settings.temporary() as own:
            outcome = Failover(own, rate=rate, load_s=load_s).run()
    if as_json:
        click.echo(json.dumps(asdict(outcome) | {"holds": outcome.holds}))
    else:
        for found in outcome.takeovers:
            click.echo(f"primary {found.how:<20} gap {found.gap_ms:7.1f} ms, epoch {found.epoch}")
        click.echo(f"old primary brought back: {outcome.refusal}")
        click.echo(
            f"{outcome.answered} answers in {outcome.seconds:.1f} s: lost={outcome.lost} "
            f"changed={outcome.changed} duplicated={outcome.duplicated}"
        )
    raise SystemExit(0 if outcome.holds else 1)
