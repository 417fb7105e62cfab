"""`python -m hotpath.runtime.standby.follower`: sees to it that there are snapshots of the journal.

It watches how much is durable, and starts a writer of its own kind (--once) when a snapshot is due:
a process that takes only what processor time is left over, and whose memory is given back when it
is done. The engine neither pauses nor forks.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hotpath import build
from hotpath.runtime.config import ConfigError, FollowerConfig
from hotpath.runtime.journal.snapshot_names import newest_sequence
from hotpath.runtime.journal.status_file import StatusFile

log = logging.getLogger("follower")

_LOOK_S: Final = 1.0
_AFTER_FAILURE_S: Final = 60.0


def main() -> int:
    """Return the exit code: 0 stopped or done, 1 the journal cannot be followed, 2 settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="write one snapshot and end")
    try:
        config = FollowerConfig.from_environment()
    except (ConfigError, ValueError) as error:
        log.critical("%s", error)
        return 2
    return write_once(config) if parser.parse_args().once else Follower(config).run()


class Follower:
    """Starts one writer after the other, each when enough has become durable since the last."""

    def __init__(self, config: FollowerConfig) -> None:
        self._config = config
        self._is_stopping = threading.Event()
        self._writer: subprocess.Popen[bytes] | None = None
        self._not_before_s = 0.0

    def run(self) -> int:
        """Follow until SIGTERM or SIGINT; return 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._is_stopping.set())
        while not self._is_stopping.is_set():
            if self._config.health_file is not None:
                self._config.health_file.touch()
            if self._writer is not None:
                self._reap(self._writer)
            elif time.monotonic() >= self._not_before_s and self._is_due():
                self._start()
            self._is_stopping.wait(_LOOK_S)
        if self._writer is not None:
            self._writer.terminate()
            self._writer.wait()
        return 0

    def _is_due(self) -> bool:
        journal = self._config.journal
        try:
            with StatusFile(journal, create=False) as status:
                durable = status.durable_sequence if status.valid else 0
        except FileNotFoundError:
            return False
        return durable - newest_sequence(journal, durable) >= self._config.every_commands

    def _start(self) -> None:
        self._writer = start_writer(os.environ)

    def _reap(self, writer: subprocess.Popen[bytes]) -> None:
        code = writer.poll()
        if code is None:
            return
        self._writer = None
        if code:
            log.error("no snapshot: the writer ended with %d; next try in a minute", code)
            self._not_before_s = time.monotonic() + _AFTER_FAILURE_S


def start_writer(
    environment: Mapping[str, str], stderr: int | None = None
) -> "subprocess.Popen[bytes]":
    """Start a process that writes one snapshot, out of the engine's way from its first moment on.

    The idle class is for the disk's queue, too.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "hotpath.runtime.standby.follower", "--once"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=stderr,
        preexec_fn=_take_what_is_left,
    )


def _take_what_is_left() -> None:
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def write_once(config: FollowerConfig) -> int:
    """Write a snapshot of what is durable, unless the newest one holds it all."""
    _take_what_is_left()
    try:
        build.select_core()
    except (build.CoreBuildError, ValueError) as error:
        log.critical("%s", error)
        return 2
    # Only now: this import loads the core, from the build that was chosen.
    from hotpath.runtime.journal.snapshot_writer import SnapshotWriter
    from shared.wire.journal import JournalError

    try:
        path = SnapshotWriter(config.journal, keep=config.keep).advance(1)
    except (JournalError, OSError, ValueError) as error:
        log.critical("%s", error)
        return 1
    if path is not None:
        _say_written(path)
    return 0


def _say_written(path: Path) -> None:
    log.info("wrote %s, %d bytes", path.name, path.stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
