"""The consumers notice the engine's return, however short its absence was."""

import threading
from collections.abc import Iterator

import pytest

from hotpath.runtime.health import HealthServer
from infra.local.consumers.engine_watch import EngineWatch

ROUNDS = 3


class Engine:
    """The health endpoint of an engine; `epoch` rises with each start."""

    def __init__(self) -> None:
        self.epoch = 1
        self.is_open = True
        health = HealthServer(
            ("127.0.0.1", 0), lambda: (self.is_open, {"epoch": self.epoch}), lambda: ""
        )
        self.close = health.close
        self.url = f"http://127.0.0.1:{health.port}/health"


@pytest.fixture
def engine() -> Iterator[Engine]:
    found = Engine()
    yield found
    found.close()


class Watched:
    """A watch, and how often it had sent what waits."""

    def __init__(self, url: str) -> None:
        self.sent = 0
        self._watch = EngineWatch(url, self._send, threading.Event())

    def _send(self) -> None:
        self.sent += 1

    def look(self, times: int) -> int:
        """Return how often was sent in so many looks."""
        before = self.sent
        for _ in range(times):
            self._watch.look()
        return self.sent - before


def test_what_waits_is_sent_in_a_few_rounds_and_then_no_more(engine: Engine) -> None:
    watched = Watched(engine.url)
    assert watched.look(1) == 1
    assert watched.look(10) == ROUNDS - 1


def test_nothing_is_sent_while_the_engine_is_away_and_again_once_it_is_back(
    engine: Engine,
) -> None:
    watched = Watched(engine.url)
    watched.look(10)
    engine.is_open = False
    assert watched.look(5) == 0
    engine.is_open = True
    assert watched.look(5) == ROUNDS


def test_a_restart_between_two_looks_is_noticed_by_the_epoch(engine: Engine) -> None:
    watched = Watched(engine.url)
    watched.look(10)
    engine.epoch += 1
    assert watched.look(5) == ROUNDS


def test_an_engine_that_does_not_listen_is_away(engine: Engine) -> None:
    assert Watched(engine.url.replace("/health", "/nothing")).look(3) == 0
