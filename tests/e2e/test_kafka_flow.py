"""The whole flow on a real Apache Kafka broker, where Java and Maven can start one."""

import pytest

from infra.local import kafka, settings
from tests.support.e2e_platform import trading

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

ARRIVALS = "600"
CHECKS = 11


def test_the_demo_runs_on_kafka_and_all_its_checks_hold() -> None:
    """The demo ends with checks computed from the stores, the stream among them."""
    if reason := kafka.missing_tools():
        pytest.skip(reason)
    with settings.temporary({}) as anywhere:
        answer = trading(anywhere, "demo", "--arrivals", ARRIVALS, STREAM="kafka")
    assert answer.code == 0, answer.output[-4_000:] + answer.errors[-4_000:]
    assert answer.output.count("✓") == CHECKS
    assert "✗" not in answer.output
