"""The whole local stack for end-to-end tests: its own state folder, free ports, gone afterwards.

from tests.support.stack import local_stack
"""

from collections.abc import Iterator

import pytest

from infra.local import settings
from infra.local.stack import LocalStack


@pytest.fixture(scope="session")
def local_stack() -> Iterator[LocalStack]:
    """A running stack. Tests may kill and restart parts by name; they leave all of them healthy."""
    with settings.temporary() as own:
        with LocalStack(own) as stack:
            yield stack
        stack.forget_outside_data()
