"""What the engine says of itself over HTTP, and that nothing of the server stays behind."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from hotpath.build import CoreBuild
from hotpath.runtime.config import EngineConfig
from hotpath.runtime.engine_health import EngineHealth
from hotpath.runtime.health import HealthServer
from hotpath.runtime.journal.status_file import OPEN, STARTING, StatusFile
from hotpath.runtime.metrics import Metrics
from shared.domain.reject_codes import RejectCode
from shared.wire.frames import GatewayCode


@pytest.fixture
def status(tmp_path: Path) -> Iterator[StatusFile]:
    with StatusFile(tmp_path, create=True) as found:
        found.state = STARTING
        yield found


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def health(tmp_path: Path, status: StatusFile, metrics: Metrics) -> EngineHealth:
    given = {"TRADING_JOURNAL": str(tmp_path), "ENGINE_PUBLIC_KEY_FILE": "none"}
    config = EngineConfig.from_environment(given)
    return EngineHealth(config, CoreBuild(True, "00", ()), status, metrics)


def test_readiness_says_what_it_waits_for(health: EngineHealth, status: StatusFile) -> None:
    server = HealthServer(("127.0.0.1", 0), health.facts, health.metrics_text)
    with closing(server):
        url = f"http://127.0.0.1:{server.port}/ready"
        health.recovering(1_000_000)
        health.recovered = 250_000
        answer = httpx.get(url, timeout=5)
        waits_for = "the replay of the journal: 250000 of 1000000 commands"
        assert (answer.status_code, answer.json()) == (
            503,
            {"ready": False, "waits_for": waits_for},
        )
        status.state = OPEN
        answer = httpx.get(url, timeout=5)
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "waits_for": ""})


def test_refusals_are_counted_by_code_with_its_name(health: EngineHealth, metrics: Metrics) -> None:
    metrics.rejects[RejectCode.INSUFFICIENT_FUNDS] += 3
    metrics.rejects[9_999] += 1
    metrics.refusals[GatewayCode.ENGINE_BUSY] += 2
    lines = health.metrics_text().splitlines()
    funds, busy = int(RejectCode.INSUFFICIENT_FUNDS), int(GatewayCode.ENGINE_BUSY)
    name = "trading_engine_rejects_total"
    assert f'{name}{{code="{funds}",name="INSUFFICIENT_FUNDS"}} 3' in lines
    assert f'{name}{{code="9999",name=""}} 1' in lines
    assert f'trading_engine_refusals_total{{code="{busy}",name="ENGINE_BUSY"}} 2' in lines


def test_a_histogram_counts_up_to_each_bound(health: EngineHealth, metrics: Metrics) -> None:
    for latency_us, times in ((4, 10), (60, 5), (2_000_000, 1)):
        metrics.ack_latency.add(latency_us * 1000, times)
    lines = health.metrics_text().splitlines()
    name = "trading_engine_ack_seconds"
    assert f'{name}_bucket{{le="5e-06"}} 10' in lines
    assert f'{name}_bucket{{le="7.5e-05"}} 15' in lines
    assert f'{name}_bucket{{le="1"}} 15' in lines
    assert f'{name}_bucket{{le="+Inf"}} 16' in lines


def test_the_standbys_findings_and_the_publishers_lag_stand_in_the_status(
    health: EngineHealth, status: StatusFile
) -> None:
    status.durable_sequence, status.published_sequence, status.hash_mismatches = 70, 30, 2
    lines = health.metrics_text().splitlines()
    assert "trading_engine_unpublished_commands 40" in lines
    assert "trading_engine_hash_mismatches 2" in lines


def test_a_closed_server_leaves_no_thread_behind() -> None:
    """One that went on would spin on the closed socket and take a core from its process."""
    before = set(threading.enumerate())
    server = HealthServer(("127.0.0.1", 0), lambda: (True, {"epoch": 1}), lambda: "")
    assert httpx.get(f"http://127.0.0.1:{server.port}/health", timeout=5).json() == {"epoch": 1}

    server.close()

    served = [thread for thread in set(threading.enumerate()) - before if "serve" in thread.name]
    assert served == []
