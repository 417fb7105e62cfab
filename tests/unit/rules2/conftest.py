"""The implementations of rules 2: the specification holds for each."""

import pytest

from tests.reference.rules2.engine import NaiveEngine2
from tests.support.fast_engine import FastEngine
from tests.support.rules2_script import Desk2


@pytest.fixture(params=[FastEngine, NaiveEngine2], ids=["core", "naive"])
def desk2(request: pytest.FixtureRequest) -> Desk2:
    """A desk at an open market with members A to D."""
    return Desk2(request.param()).open_market()


@pytest.fixture(params=[FastEngine, NaiveEngine2], ids=["core", "naive"])
def small_desk2(request: pytest.FixtureRequest) -> Desk2:
    """The same, but one command does only three steps of the work that follows from it."""
    return Desk2(request.param(max_work=3)).open_market()
