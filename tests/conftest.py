"""Chooses the build of the core for the whole test run, and proves it to the tests of the core."""

import os
from pathlib import Path, PurePath

import pytest

from hotpath import build

CHOICE = build.select_core()  # before any test module imports the core

TESTS = Path(__file__).parent
_MINUTES_ON_KAFKA = pytest.mark.skipif(
    not os.environ.get("KAFKA_OUTAGES"), reason="takes minutes: make test-kafka-outages"
)


def pytest_report_header() -> str:
    """Say which build of the core this run has."""
    found = build.core_build()
    kind = "compiled by mypyc" if found.compiled else f"interpreted ({CHOICE.reason})"
    return f"core: {kind}, {len(found.files)} modules, sources {found.source_hash[:12]}"


def is_core_test(path: PurePath) -> bool:
    """Say whether a test file, relative to tests/, is of the core's own suite."""
    level, *inner = path.parts
    return level == "golden" or (
        level in ("unit", "property")
        and any(part.startswith(("core", "test_core")) for part in inner)
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the core's own suite, which `make test` runs once interpreted and once compiled."""
    for item in items:
        if is_core_test(item.path.relative_to(TESTS)):
            item.add_marker("core")
        if item.get_closest_marker("repeated_outages") and "kafka" in item.name:
            item.add_marker(_MINUTES_ON_KAFKA)


@pytest.fixture(autouse=True)
def _the_core_is_the_chosen_one(request: pytest.FixtureRequest) -> None:
    """Fail a test of the core that does not run the build that was asked for."""
    if request.node.get_closest_marker("core"):
        assert build.core_build().compiled == (CHOICE.mode == "compiled")
