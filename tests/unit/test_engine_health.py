"""The engine's health server: what it answers, and that nothing of it stays behind."""

import threading

import httpx

from hotpath.runtime.health import HealthServer


def test_a_closed_server_leaves_no_thread_behind() -> None:
    """One that went on would spin on the closed socket and take a core from its process."""
    before = set(threading.enumerate())
    server = HealthServer(("127.0.0.1", 0), lambda: (True, {"epoch": 1}), lambda: "")
    assert httpx.get(f"http://127.0.0.1:{server.port}/health", timeout=5).json() == {"epoch": 1}

    server.close()

    served = [thread for thread in set(threading.enumerate()) - before if "serve" in thread.name]
    assert served == []
