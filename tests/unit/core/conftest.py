"""The implementations of the core: the specification holds for each."""

import pytest

from tests.reference.engine import NaiveEngine
from tests.support.core_script import Desk
from tests.support.fast_engine import FastEngine


@pytest.fixture(params=[FastEngine, NaiveEngine], ids=["core", "naive"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """A desk at an open market with members A to D."""
    return Desk(request.param()).open_market()


@pytest.fixture(params=[FastEngine, NaiveEngine], ids=["core", "naive"])
def small_desk(request: pytest.FixtureRequest) -> Desk:
    """The same, but one command does only three steps: of trading, and of the work that follows."""
    return Desk(request.param(max_work=3, max_trades=3)).open_market()


@pytest.fixture(params=[FastEngine, NaiveEngine], ids=["core", "naive"])
def talkative_desk(request: pytest.FixtureRequest) -> Desk:
    """The same, but a trade's id has room for four events of a command only."""
    return Desk(request.param(events_of_number=4)).open_market()
