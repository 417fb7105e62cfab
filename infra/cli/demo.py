"""`trading demo`: the whole trading day on a stack of its own, told and checked."""

import time

import click
from rich.console import Console

from hotpath.build import ensure_core_build
from infra.demo.story import Story
from infra.local import settings
from infra.local.progress import Progress
from infra.local.stack import LocalStack


@click.command()
@click.option(
    "--arrivals",
    default=3_000,
    show_default=True,
    type=click.IntRange(1, 200_000),
    help="Steps of generated order flow.",
)
def demo(arrivals: int) -> None:
    """Run the whole trading flow on a stack of its own; exit 0 only if every check holds."""
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
