"""The whole local stack for end-to-end tests: its own state folder, free ports, gone afterwards.

Import the fixture into the module that uses it; all modules share one stack:

    from tests.support.stack import local_stack
"""

from contextlib import ExitStack

import pytest

from infra.local import settings
from infra.local.stack import LocalStack

_STACK = pytest.StashKey[LocalStack]()


@pytest.fixture(scope="session")
def local_stack(pytestconfig: pytest.Config) -> LocalStack:
    """A running stack. Tests may kill and restart parts by name; they leave all of them healthy."""
    if _STACK not in pytestconfig.stash:
        with ExitStack() as starting:
            own = starting.enter_context(settings.temporary())
            stack = LocalStack(own)
            starting.callback(stack.forget_outside_data)
            starting.enter_context(stack)
            pytestconfig.add_cleanup(starting.pop_all().close)
        pytestconfig.stash[_STACK] = stack
    return pytestconfig.stash[_STACK]
