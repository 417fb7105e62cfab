"""Who listens on a port: asked before a part starts, so that the error can name the culprit."""

import time
from typing import Final

import psutil

from infra.local.errors import PortTaken
from infra.local.settings import port_is_free

# The threads of a killed process may hold its sockets for a moment longer.
_PREDECESSOR_S: Final = 1.0


def require_free(part: str, ports: tuple[int, ...]) -> None:
    """Raise PortTaken when a port that the part needs belongs to another process."""
    deadline = time.monotonic() + _PREDECESSOR_S
    for port in ports:
        while not port_is_free(port):
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise PortTaken(
                f"port {port}, which {part} needs, is taken by {_owner(port)}."
                " Stop that, or set TRADING_PORT to another base port."
            )


def _owner(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port:
            return _describe(connection.pid)
    return "another process"


def _describe(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        command = " ".join(psutil.Process(pid).cmdline())[:120]
    except psutil.Error:
        return f"process {pid}"
    return f"process {pid} ({command})"
