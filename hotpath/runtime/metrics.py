"""What the engine counts, and its text for Prometheus. One thread writes, others read."""

from bisect import bisect_left
from collections import Counter
from typing import Final

LATENCY_BOUNDS_US: Final = (
    *(5, 10, 20, 35, 50, 75, 100, 150, 200, 350, 500, 750),
    *(1000, 2000, 5000, 10_000, 50_000, 100_000, 1_000_000),
)


class Histogram:
    """Counts of latencies between fixed bounds, in microseconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_US) + 1)
        self.sum_ns = 0

    def add(self, latency_ns: int, times: int = 1) -> None:
        self.counts[bisect_left(LATENCY_BOUNDS_US, latency_ns / 1000)] += times
        self.sum_ns += latency_ns * times

    def lines(self, name: str) -> list[str]:
        """Return the lines of a Prometheus histogram, in seconds."""
        found, total = [], 0
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
        self.journal_latency = Histogram()  # write and sync of a batch

    def text(self, gauges: dict[str, int]) -> str:
        """Return everything in Prometheus' text format."""
        lines = []
        for name in ("commands", "events", "batches", "sessions_opened"):
            lines += [
                f"# TYPE trading_engine_{name}_total counter",
                f"trading_engine_{name}_total {getattr(self, name)}",
            ]
        lines.append("# TYPE trading_engine_rejects_total counter")
        for code, count in sorted(self.rejects.copy().items()):
            lines.append(f'trading_engine_rejects_total{{code="{code}"}} {count}')
        lines.append("# TYPE trading_engine_refusals_total counter")
        for code, count in sorted(self.refusals.copy().items()):
            lines.append(f'trading_engine_refusals_total{{code="{code}"}} {count}')
        for name, value in gauges.items():
            lines += [f"# TYPE trading_engine_{name} gauge", f"trading_engine_{name} {value}"]
        for name, histogram in (("ack", self.ack_latency), ("journal", self.journal_latency)):
            lines.append(f"# TYPE trading_engine_{name}_seconds histogram")
            lines += histogram.lines(f"trading_engine_{name}_seconds")
        return "\n".join(lines) + "\n"
