"""Serves /health, /ready and /metrics over HTTP from a thread that sleeps while nobody asks."""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = dict[str, Any]


class HealthServer:
    """`health` returns (is ready, facts); `metrics` the Prometheus text."""

    def __init__(
        self,
        address: tuple[str, int],
        health: Callable[[], tuple[bool, Document]],
        metrics: Callable[[], str],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                if self.path == "/health":
                    ready, facts = health()
                    self._answer(200 if ready else 503, json.dumps(facts), "application/json")
                elif self.path == "/ready":
                    ready, facts = health()
                    waits_for = facts.get("waits_for", "")
                    answer = {"ready": ready, "waits_for": "" if ready else waits_for}
                    self._answer(200 if ready else 503, json.dumps(answer), "application/json")
                elif self.path == "/metrics":
                    self._answer(200, metrics(), "text/plain; version=0.0.4")
                else:
                    self._answer(404, "not found\n", "text/plain")

            def _answer(self, status: int, text: str, content_type: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: health checks would fill the log."""

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        # Requests wake the thread at once, and so does close(): it need not look by itself, for
        # which it would take the interpreter from the engine's loop.
        threading.Thread(target=self._server.serve_forever, args=(3600.0,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def descriptor(self) -> int:
        """Return the listener's, which becomes readable when somebody asks."""
        return self._server.socket.fileno()

    def close(self) -> None:
        """Return when the thread has ended; one left behind would spin on the closed socket."""
        self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes it
        self._server.shutdown()
        self._server.server_close()
