"""The platform of the end-to-end tests, for those who attack it."""

from tests.e2e.conftest import platform, shared_platform  # noqa: F401
from tests.support.stack import local_stack  # noqa: F401
