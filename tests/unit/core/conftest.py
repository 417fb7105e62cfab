"""Both engines, the fast and the naive one: the specification holds for each."""

import pytest

from hotpath.core.api import Engine
from tests.reference.naive_book import NaiveEngine
from tests.support.core_script import Desk


@pytest.fixture(params=[Engine, NaiveEngine], ids=["core", "naive"])
def desk(request: pytest.FixtureRequest) -> Desk:
    """A desk at an open market with members A, B and C."""
    return Desk(request.param()).open_market()


@pytest.fixture(params=[Engine, NaiveEngine], ids=["core", "naive"])
def empty_desk(request: pytest.FixtureRequest) -> Desk:
    """A desk at an engine that knows nothing yet."""
    return Desk(request.param())
