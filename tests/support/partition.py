"""A Kafka broker that each of two hosts reaches over a line of its own, which can be cut.

Kafka tells its clients where to connect, so each line is a listener of the broker that is
advertised at the line's own port.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from infra.local import kafka, runner, settings
from infra.local.part import Part
from tests.support.servers import Server

LINES = 2


class Line:
    """A TCP proxy on a port. While it is cut nothing passes, in either direction, unannounced."""

    def __init__(self, port: int, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._is_open = threading.Event()
        self._is_open.set()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._sockets: list[socket.socket] = [self._listener]
        self.url = f"kafka://127.0.0.1:{port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_open.clear()

    def mend(self) -> None:
        self._is_open.set()

    def close(self) -> None:
        self._is_open.set()
        for found in self._sockets:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)
            found.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._is_open.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _BrokerWithLines(kafka.KafkaBroker):
    """A broker with a listener for each line, advertised at the line's port."""

    lines: tuple[tuple[int, int], ...] = ()  # the listener's port, and the line's

    def _server_properties(self) -> str:
        text, found = super()._server_properties(), []
        for row in text.splitlines():
            name, _, value = row.partition("=")
            for number, (own, advertised) in enumerate(self.lines):
                port = {"listeners": own, "advertised.listeners": advertised}.get(name)
                if port is not None:
                    value += f",LINE{number}://127.0.0.1:{port}"
                if name == "listener.security.protocol.map":
                    value += f",LINE{number}:PLAINTEXT"
            found.append(f"{name}={value}")
        return "\n".join(found) + "\n"


@contextmanager
def broker_with_lines() -> Iterator[tuple[Server, list[Line]]]:
    """Yield a broker with a place that is always reached, and the lines to it."""
    with settings.temporary({}) as stack:
        ports = [stack.base_port + offset for offset in range(3, 3 + 2 * LINES)]
        stack = replace(stack, stream="kafka")
        broker = _BrokerWithLines(
            stack.folder("stream-kafka"), stack.port("stream"), stack.port("stream-controller")
        )
        broker.lines = tuple((ports[2 * n], ports[2 * n + 1]) for n in range(LINES))
        part: Part = replace(kafka.part(stack), prepare=broker.prepare, command=broker.command())
        lines: list[Line] = []
        try:
            runner.start(part)
            lines = [Line(advertised, own) for own, advertised in broker.lines]
            yield Server(f"kafka://{stack.address('stream')}", part), lines
        finally:
            for line in lines:
                line.close()
            runner.kill_part(part)  # an orderly end takes seconds
