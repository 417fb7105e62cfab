"""The consumers over HTTP: /health with the lag per group and partition, /metrics."""

import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.consumers.progress import Progress
from shared.ports.event_stream import EventStream, StreamError, TopicPartition


def report(stream: EventStream, all_progress: Sequence[Progress]) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the document of /health.

    `lag` counts offsets that are not yet handled, per group and partition; None where the stream
    has not been reached. `lag_total` 0 means that every consumer has handled everything.
    """
    try:
        ends = {each.partition: 0 for each in all_progress}
        for partition in ends:
            ends[partition] = stream.end_offset(partition)
    except StreamError as error:
        return 503, {"status": "unavailable", "detail": f"stream: {error}"}
    groups: dict[str, dict[str, int | None]] = {}
    for each in all_progress:
        lag = _lag(each, ends)
        name = f"{each.partition.topic}-{each.partition.partition}"
        groups.setdefault(each.route.group, {})[name] = lag
    lags = [lag for partitions in groups.values() for lag in partitions.values()]
    total = None if None in lags else sum(lag for lag in lags if lag is not None)
    troubles = {each.name: each.trouble for each in all_progress if each.trouble}
    dead_letters = sum(each.dead_letters for each in all_progress)
    return 200, {
        "status": "ok",
        "detail": f"lag={total} retrying={len(troubles)} dead_letters={dead_letters}",
        "lag_total": total,
        "lag": groups,
        "trouble": troubles,
        "dead_letters": dead_letters,
        "records": sum(each.records for each in all_progress),
    }


def metrics(stream: EventStream, all_progress: Sequence[Progress]) -> str:
    """Return the Prometheus text of the same facts."""
    lines = ["# TYPE consumer_lag gauge"]
    for each in all_progress:
        labels = _labels(each)
        try:
            lag = _lag(each, {each.partition: stream.end_offset(each.partition)})
        except StreamError:
            lag = None
        if lag is not None:
            lines.append(f"consumer_lag{{{labels}}} {lag}")
    for name in ("records", "batches", "retries", "dead_letters"):
        lines.append(f"# TYPE consumer_{name}_total counter")
        lines += [
            f"consumer_{name}_total{{{_labels(each)}}} {getattr(each, name)}"
            for each in all_progress
        ]
    return "\n".join(lines) + "\n"


def serve(
    port: int, health: Callable[[], tuple[int, dict[str, Any]]], scrape: Callable[[], str]
) -> ThreadingHTTPServer:
    """Serve /health and /metrics on 127.0.0.1 in a thread; call shutdown on what is returned."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                status, document = health()
                self._answer(status, "application/json", json.dumps(document))
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4", scrape())
            else:
                self._answer(404, "text/plain", "not found\n")

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not worth a line."""

        def _answer(self, status: int, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.5,), daemon=True, name="status").start()
    return server


def _lag(progress: Progress, ends: dict[TopicPartition, int]) -> int | None:
    if progress.position is None:
        return None
    return max(ends[progress.partition] - progress.position, 0)


def _labels(progress: Progress) -> str:
    place = progress.partition
    return f'group="{progress.route.group}",topic="{place.topic}",partition="{place.partition}"'
