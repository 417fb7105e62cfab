"""`trading bench`: what the parts do on this machine. The measuring code is under tests/bench."""

import subprocess
import sys
from pathlib import Path

import click

from infra.local.errors import StackError

_ROOT = Path(__file__).resolve().parents[2]


@click.group(invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure. Without a subcommand: the engine."""
    if context.invoked_subcommand is None:
        context.invoke(engine)


@bench.command()
@click.option("--workloads", help="Some of ec1k,it1k,ec10k,it10k,ec100,it100.")
@click.option("--engines", help="Some of the engines, separated by commas.")
@click.option("--commands", type=int, help="Measured commands of one round.")
@click.option("--rounds", type=int, help="Interleaved rounds; medians are reported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--quick", is_flag=True, help="Few commands and rounds, for CI.")
@click.option("--write-doc", is_flag=True, help="Write docs/PERFORMANCE.md from this run.")
def engine(
    workloads: str | None = None,
    engines: str | None = None,
    commands: int | None = None,
    rounds: int | None = None,
    as_json: bool = False,
    quick: bool = False,
    write_doc: bool = False,
) -> None:
    """Measure the core beside C++, interpreted and pure Python; no running stack is needed."""
    if not (_ROOT / "tests" / "bench").is_dir():
        raise StackError("benchmarks need a checkout: tests/bench is not installed")
    options = {"workloads": workloads, "engines": engines, "commands": commands, "rounds": rounds}
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    flags = {"--json": as_json, "--quick": quick, "--write-doc": write_doc}
    words += [name for name, is_set in flags.items() if is_set]
    done = subprocess.run([sys.executable, "-m", "tests.bench", "engine", *words], cwd=_ROOT)
    sys.exit(done.returncode)
