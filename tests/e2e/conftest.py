"""One platform for all end-to-end tests of a run, on a stack of its own."""

import pytest

from infra.local.stack import LocalStack
from tests.support.e2e_load import BUYER, SELLER
from tests.support.e2e_platform import Platform
from tests.support.stack import local_stack  # noqa: F401


@pytest.fixture(scope="session")
def shared_platform(local_stack: LocalStack) -> Platform:  # noqa: F811
    """The platform with members who trade ORBT; tests use `platform`."""
    found = Platform(local_stack)
    for person in (BUYER, SELLER):
        found.admit(person)
    return found


@pytest.fixture
def platform(shared_platform: Platform) -> Platform:
    """A platform of which every part is healthy, whatever the test before did to it."""
    if not shared_platform.stack.is_healthy():
        shared_platform.heal()
    return shared_platform
