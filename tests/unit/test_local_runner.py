"""The runner: order, failures with the end of the log, ports that are taken, repeated starts."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import health, runner
from infra.local.errors import PartFailed, PortTaken
from infra.local.part import Part, Step, base_environment
from infra.local.process import ProcessRecord
from infra.local.progress import Progress

QUIET = Progress(quiet=True)
BEATS = "import pathlib, sys, time\nwhile True: pathlib.Path(sys.argv[1]).touch(); time.sleep(0.05)"


class Stack:
    """Parts that are small Python programs; each is healthy while it touches a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: list[Part] = []

    def part(
        self,
        name: str,
        code: str = BEATS,
        *,
        after: tuple[str, ...] = (),
        ports: tuple[int, ...] = (),
        start_timeout_s: float = 10,
    ) -> Part:
        beat = self.folder / f"{name}.health"
        part = Part(
            name=name,
            command=(sys.executable, "-c", code, str(beat)),
            environment=base_environment(),
            health=health.heartbeat(beat),
            log_file=self.folder / "logs" / f"{name}.log",
            run_file=self.folder / "run" / f"{name}.json",
            after=after,
            ports=ports,
            start_timeout_s=start_timeout_s,
        )
        self.parts.append(part)
        return part


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    runner.stop_all(made.parts, QUIET)


def test_parts_and_steps_run_after_what_they_need() -> None:
    order: list[str] = []
    lock = threading.Lock()

    def step(name: str, *after: str) -> Step:
        def run() -> str:
            with lock:
                order.append(name)
            return "done"

        return Step(name, run, after)

    steps = [step("d", "b", "c"), step("b", "a"), step("c", "a"), step("a"), step("e", "absent")]
    runner.run_graph(steps, QUIET)
    assert sorted(order) == list("abcde")
    assert order.index("a") < min(order.index("b"), order.index("c"))
    assert order.index("d") > max(order.index("b"), order.index("c"))


def test_nothing_new_begins_after_a_failure() -> None:
    begun: list[str] = []

    def fail() -> str:
        raise PartFailed("broken")

    def note() -> str:
        begun.append("later")
        return ""

    with pytest.raises(PartFailed, match="broken"):
        runner.run_graph([Step("first", fail), Step("later", note, ("first",))], QUIET)
    assert begun == []


def test_starting_twice_starts_once(stack: Stack) -> None:
    part = stack.part("beats")
    assert runner.start(part)
    first = ProcessRecord.read(part.run_file)
    assert not runner.start(part)
    assert ProcessRecord.read(part.run_file) == first


def test_a_killed_part_is_reported_and_started_again(stack: Stack) -> None:
    part = stack.part("beats")
    runner.start(part)
    runner.kill_part(part)
    (status,) = runner.status([part])
    assert (status.state, status.detail) == ("stopped", "ended without `down`")
    assert runner.start(part)
    assert runner.status([part])[0].state == "healthy"


def test_a_part_that_ends_at_once_shows_the_end_of_its_log(stack: Stack) -> None:
    part = stack.part("broken", "raise SystemExit('the reason why')")
    with pytest.raises(PartFailed, match=r"(?s)broken ended at once.*the reason why"):
        runner.start(part)


def test_a_full_disk_is_named_as_the_cause(stack: Stack) -> None:
    part = stack.part("full", "raise OSError(28, 'No space left on device')")
    with pytest.raises(PartFailed, match="The disk is full"):
        runner.start(part)


def test_a_part_that_never_becomes_healthy_says_what_its_check_said(stack: Stack) -> None:
    part = stack.part("mute", "import time; time.sleep(60)", start_timeout_s=0.3)
    with pytest.raises(PartFailed, match="no heartbeat yet"):
        runner.start(part)


def test_a_taken_port_names_who_has_it_and_what_to_do(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        part = stack.part("web", ports=(port,))
        with pytest.raises(PortTaken) as raised:
            runner.start(part)
    text = str(raised.value)
    assert f"port {port}" in text
    assert "pytest" in text  # the command line of this very process
    assert "TRADING_PORT" in text


def test_parts_stop_before_those_that_they_need(
    stack: Stack, capsys: pytest.CaptureFixture
) -> None:
    stack.part("store")
    stack.part("server", after=("store",))
    runner.run_graph(stack.parts, QUIET)
    runner.stop_all(stack.parts, Progress(sys.stdout))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["server", "store"]
    assert all(status.state == "stopped" for status in runner.status(stack.parts))
