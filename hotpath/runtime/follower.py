"""`python -m hotpath.runtime.follower`: follows the journal and writes snapshots of its state.

A process of its own, so that the engine neither pauses nor forks. With --once it writes one
snapshot of what is durable and ends.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from hotpath import build
from hotpath.runtime.config import ConfigError, FollowerConfig

log = logging.getLogger("follower")

_LOOK_S: Final = 1.0


def main() -> int:
    """Return the exit code: 0 stopped or done, 1 the journal cannot be followed, 2 settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="write one snapshot and end")
    options = parser.parse_args()
    try:
        config = FollowerConfig.from_environment()
        build.select_core()
    except (ConfigError, build.CoreBuildError, ValueError) as error:
        log.critical("%s", error)
        return 2
    # Only now: this import loads the core, from the build that was chosen.
    from hotpath.runtime.snapshot_writer import SnapshotWriter
    from shared.wire.journal import JournalError

    is_stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_stopping.set())
    writer = SnapshotWriter(config.journal, keep=config.keep)
    try:
        while not is_stopping.is_set():
            path = writer.advance(1 if options.once else config.every_commands)
            if path is not None:
                _say_written(path)
            if options.once:
                return 0
            is_stopping.wait(_LOOK_S)
    except (JournalError, OSError, ValueError) as error:
        log.critical("%s", error)
        return 1
    return 0


def _say_written(path: Path) -> None:
    log.info("wrote %s, %d bytes", path.name, path.stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
