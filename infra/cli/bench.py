"""`trading bench`: what the parts do on this machine. The measuring code is under tests/bench."""

import subprocess
import sys
from collections.abc import Mapping
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
    options = {"workloads": workloads, "engines": engines, "commands": commands, "rounds": rounds}
    _run("engine", options, {"--json": as_json, "--quick": quick, "--write-doc": write_doc})


@bench.command()
@click.option("--streams", help="Some of kafka,redis.")
@click.option("--commands", type=int, help="Journaled commands of one round.")
@click.option("--rounds", type=int, help="Rounds; the median is reported, all are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--write-doc", is_flag=True, help="Write the section of docs/PERFORMANCE.md.")
def publish(
    streams: str | None, commands: int | None, rounds: int | None, as_json: bool, write_doc: bool
) -> None:
    """Measure the publisher from a journal to Apache Kafka and to Redis Streams."""
    options = {"streams": streams, "commands": commands, "rounds": rounds}
    _run("publish", options, {"--json": as_json, "--write-doc": write_doc})


@bench.command()
@click.option("--commands", type=int, help="Commands journaled beforehand.")
@click.option("--rounds", type=int, help="Rounds with and without a writer; all are printed.")
@click.option("--durability", help="Some of os,fsync.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--write-doc", is_flag=True, help="Write the section of docs/PERFORMANCE.md.")
def snapshot(
    commands: int | None, rounds: int | None, durability: str | None, as_json: bool, write_doc: bool
) -> None:
    """Measure the engine's answers while a snapshot is written, beside those without."""
    options = {"commands": commands, "rounds": rounds, "durability": durability}
    _run("snapshot", options, {"--json": as_json, "--write-doc": write_doc})


@bench.command()
@click.option("--commands", type=int, help="Commands journaled beforehand.")
@click.option("--rounds", type=int, help="Restarts of each kind; all are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--write-doc", is_flag=True, help="Write the section of docs/PERFORMANCE.md.")
def restart(commands: int | None, rounds: int | None, as_json: bool, write_doc: bool) -> None:
    """Measure from the start of an engine's process to ready, with and without a snapshot."""
    options = {"commands": commands, "rounds": rounds}
    _run("restart", options, {"--json": as_json, "--write-doc": write_doc})


@bench.command()
@click.option("--rows", help="Some of shm,tcp,tcp64 (and shm-realtime, …), fsync,sync1,replicated.")
@click.option("--rounds", type=int, help="Rounds of each row; medians are reported, all printed.")
@click.option("--seconds", type=float, help="Length of a round.")
@click.option("--folder", help="Where the journals are written; without it, a temporary folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--pin", is_flag=True, help="Bind the engine to CPU 0 and the clients to CPU 1.")
@click.option("--write-doc", is_flag=True, help="Write the section of docs/PERFORMANCE.md.")
def wire(
    rows: str | None,
    rounds: int | None,
    seconds: float | None,
    folder: str | None,
    as_json: bool,
    pin: bool,
    write_doc: bool,
) -> None:
    """Measure from a command to its acknowledgement, over shared memory and over TCP."""
    options = {"rows": rows, "rounds": rounds, "seconds": seconds, "folder": folder}
    _run("wire", options, {"--json": as_json, "--pin": pin, "--write-doc": write_doc})


@bench.command()
@click.option("--cap", type=int, help="Orders a second that the engine is told to take.")
@click.option("--factors", help="Times the cap that are offered, for example 2,5.")
@click.option("--seconds", type=float, help="How long each is offered.")
@click.option("--transport", type=click.Choice(["shm", "tcp"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--write-doc", is_flag=True, help="Write the section of docs/PERFORMANCE.md.")
def overload(
    cap: int | None,
    factors: str | None,
    seconds: float | None,
    transport: str | None,
    as_json: bool,
    write_doc: bool,
) -> None:
    """Offer more than the engine takes: goodput, BUSY answers, cancels, recovery."""
    options = {"cap": cap, "factors": factors, "seconds": seconds, "transport": transport}
    _run("overload", options, {"--json": as_json, "--write-doc": write_doc})


def _run(what: str, options: Mapping[str, object], flags: Mapping[str, bool]) -> None:
    """Start the measuring code and end with its exit code."""
    if not (_ROOT / "tests" / "bench").is_dir():
        raise StackError("benchmarks need a checkout: tests/bench is not installed")
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    words += [name for name, is_set in flags.items() if is_set]
    done = subprocess.run([sys.executable, "-m", "tests.bench", what, *words], cwd=_ROOT)
    sys.exit(done.returncode)
