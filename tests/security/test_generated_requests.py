"""Requests made from the API document: none is the platform's fault, wrong ones leave nothing.

API_CASES sets how many requests there are in all; `make fuzz-api CASES=20000` sends many, others
each time.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from infra.bootstrap import ROOT
from infra.local.api import ApiClient
from infra.local.users import Person
from tests.support.e2e_platform import Platform

pytestmark = pytest.mark.slow

Operation = APIOperation[Any, Any, Any, Any]
STRANGER: Final = Person("generated-requests", "Gene", "Rated", "100000.00")
DOCUMENT: Final = schemathesis.openapi.from_path(ROOT / "docs/api/openapi.json")
OPERATIONS: Final[list[Operation]] = [
    found.ok() for found in DOCUMENT.get_all_operations() if isinstance(found, Ok)
]
WITH_INPUT: Final = [one for one in OPERATIONS if one.body or one.path_parameters or one.query]
CASES: Final = int(os.environ.get("API_CASES", "200"))
EACH: Final = max(2, CASES // (len(OPERATIONS) + len(WITH_INPUT)))
BUCKETS_EMPTIED_EVERY: Final = 10
_OWN_HEADERS: Final = {"host", "content-length", "transfer-encoding", "connection", "expect"}


def label(operation: Operation) -> str:
    return str(operation.label)


@pytest.fixture(scope="module")
def stranger(shared_platform: Platform) -> Iterator[ApiClient]:
    """A verified and funded member of whom nobody else knows."""
    shared_platform.admit(STRANGER)
    with shared_platform.client(STRANGER) as api:
        yield api


class Sender:
    """Sends cases as the stranger and counts the answers; rate limits are out of the way."""

    def __init__(self, platform: Platform, api: ApiClient) -> None:
        self._cache = redis.Redis.from_url(platform.settings.cache_url)
        self._api = api
        self.statuses: Counter[int] = Counter()

    def send(self, case: Case) -> None:
        """Send a case; fail if the platform, and not the request, is to blame for the answer."""
        if self.statuses.total() % BUCKETS_EMPTIED_EVERY == 0:
            for key in self._cache.scan_iter("rate:*"):
                self._cache.delete(key)
        for name in [name for name in case.headers or {} if name.lower() in _OWN_HEADERS]:
            del case.headers[name]  # what the HTTP client itself says of its message
        response = case.call(
            base_url=self._api.address.api_url,
            headers={"Authorization": f"Bearer {self._api.token}"},
            timeout=30,
        )
        self.statuses[response.status_code] += 1
        assert response.status_code < 500, f"{case.as_curl_command()}: {response.text}"
        if response.status_code in (400, 409, 413, 422):
            problem = response.json()
            assert problem.get("code") or problem.get("message"), response.text


def drive(operation: Operation, mode: GenerationMode, sender: Sender, count: int) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        derandomize="API_CASES" not in os.environ,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send_one(case: Case) -> None:
        sender.send(case)

    send_one()


@pytest.mark.parametrize("operation", OPERATIONS, ids=label)
def test_requests_that_the_document_allows_are_never_the_platforms_fault(
    operation: Operation, platform: Platform, stranger: ApiClient
) -> None:
    sender = Sender(platform, stranger)
    drive(operation, GenerationMode.POSITIVE, sender, EACH)
    assert sender.statuses.total() > 0


@pytest.mark.parametrize("operation", WITH_INPUT, ids=label)
def test_requests_that_the_document_forbids_leave_nothing_behind(
    operation: Operation, platform: Platform, stranger: ApiClient
) -> None:
    sender = Sender(platform, stranger)
    assert stranger.token
    platform.settle_down()
    before = platform.row_counts()
    drive(operation, GenerationMode.NEGATIVE, sender, EACH)
    assert sender.statuses.total() > 0
    if all(status >= 400 for status in sender.statuses):
        platform.settle_down()
        assert platform.row_counts() == before
