"""`python -m hotpath.runtime`: chooses the build of the core, wires the engine, and runs it."""

import logging
import sys
from collections.abc import Callable

from hotpath import build
from hotpath.runtime.config import ConfigError, EngineConfig
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.placement import run_where_told

log = logging.getLogger("engine")


def main(open_files: Callable[[EngineConfig], JournalFiles] | None = None) -> int:
    """Return the exit code: 0 stopped, 1 halted, 2 wrong settings, 3 the journal is refused.

    `open_files` gives what stands between the journal and the disk; tests have their own. It is
    called once the build is chosen.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = EngineConfig.from_environment()
        run_where_told()
        build.select_core()
    except (ConfigError, build.CoreBuildError, ValueError) as error:
        log.critical("%s", error)
        return 2
    # Only now: this import loads the core, from the build that was chosen.
    from hotpath.runtime.wiring import run_engine

    return run_engine(config, build.core_build(), open_files(config) if open_files else None)


if __name__ == "__main__":
    sys.exit(main())
