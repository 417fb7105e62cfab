"""What engine and publisher count, and its text for Prometheus. One thread writes, others read.

Own code and not prometheus_client: a batch adds one latency for all of its commands at once, and
an observation there costs more than the command.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from shared.domain.reject_codes import RejectCode
from shared.wire.frames import GatewayCode

LATENCY_BOUNDS_US: Final = (
    *(5, 10, 20, 35, 50, 75, 100, 150, 200, 350, 500, 750),
    *(1000, 2000, 5000, 10_000, 50_000, 100_000, 1_000_000),
)


_BOUNDS_NS: Final = tuple(bound_us * 1000 for bound_us in LATENCY_BOUNDS_US)


class Histogram:
    """Counts of latencies between fixed bounds, in microseconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_US) + 1)
        self.sum_ns = 0

    def add(self, latency_ns: int, times: int = 1) -> None:
        self.counts[bisect_left(_BOUNDS_NS, latency_ns)] += times
        self.sum_ns += latency_ns * times

    def lines(self, name: str) -> list[str]:
        """Return the lines of a Prometheus histogram, in seconds."""
        found, total = [f"# TYPE {name} histogram"], 0
        for bound_us, count in zip(LATENCY_BOUNDS_US, self.counts, strict=False):
            total += count
            found.append(f'{name}_bucket{{le="{bound_us / 1e6:g}"}} {total}')
        total += self.counts[-1]
        found.append(f'{name}_bucket{{le="+Inf"}} {total}')
        return [*found, f"{name}_sum {self.sum_ns / 1e9:g}", f"{name}_count {total}"]


class Metrics:
    """The engine's counters since it started."""

    def __init__(self) -> None:
        self.commands = 0
        self.events = 0
        self.batches = 0
        self.sessions_opened = 0
        self.rejects: Counter[int] = Counter()  # by RejectCode
        self.refusals: Counter[int] = Counter()  # by GatewayCode
        self.ack_latency = Histogram()  # from reading the batch to handing over its answers
        self.append_latency = Histogram()  # a batch is written to the journal
        self.sync_latency = Histogram()  # and synced
        self.copy_latency = Histogram()  # and copied to Kafka, in mode `replicated`

    def text(self, gauges: Mapping[str, int]) -> str:
        """Return everything in Prometheus' text format."""
        lines: list[str] = []
        for name in ("commands", "events", "batches", "sessions_opened"):
            lines += _counter(f"trading_engine_{name}_total", getattr(self, name))
        lines += _by_code("trading_engine_rejects_total", self.rejects, RejectCode)
        lines += _by_code("trading_engine_refusals_total", self.refusals, GatewayCode)
        lines += _gauges("trading_engine", gauges)
        lines += self.ack_latency.lines("trading_engine_ack_seconds")
        lines += self.append_latency.lines("trading_engine_journal_append_seconds")
        lines += self.sync_latency.lines("trading_engine_journal_sync_seconds")
        lines += self.copy_latency.lines("trading_engine_journal_copy_seconds")
        return "\n".join(lines) + "\n"


class PublisherMetrics:
    """The publisher's counters since it started."""

    def __init__(self) -> None:
        self.messages = 0
        self.batches = 0
        self.outages = 0  # times at which the stream could not be reached
        self.publish_latency = Histogram()  # a batch is handed over and stored

    def text(self, gauges: Mapping[str, int]) -> str:
        lines: list[str] = []
        for name in ("messages", "batches", "outages"):
            lines += _counter(f"trading_publisher_{name}_total", getattr(self, name))
        lines += _gauges("trading_publisher", gauges)
        lines += self.publish_latency.lines("trading_publisher_publish_seconds")
        return "\n".join(lines) + "\n"


def _counter(name: str, value: int) -> list[str]:
    return [f"# TYPE {name} counter", f"{name} {value}"]


def _by_code(name: str, counts: "Counter[int]", codes: Callable[[int], object]) -> Iterable[str]:
    yield f"# TYPE {name} counter"
    for code, count in sorted(counts.copy().items()):
        try:
            meaning = getattr(codes(code), "name", "")
        except ValueError:  # of newer rules
            meaning = ""
        yield f'{name}{{code="{int(code)}",name="{meaning}"}} {count}'


def _gauges(prefix: str, gauges: Mapping[str, int]) -> list[str]:
    return [
        line
        for name, value in gauges.items()
        for line in (f"# TYPE {prefix}_{name} gauge", f"{prefix}_{name} {value}")
    ]
