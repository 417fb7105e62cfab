"""`python -m hotpath.runtime.standby`: a second engine that is ready, beside the one that writes.

It follows the journal in memory and compares its state with the primary's. When the primary dies,
it takes the journal's lock and goes on in its place, on its port, under a higher epoch; one that
hangs is killed first. SIGUSR1 makes it take over from a healthy primary, which ends in order. A
standby whose state differs says so and never takes over. With STANDBY_PLACEMENT=other-host it
follows the journal's topic into a journal of its own, and Kafka shuts the old primary out.
"""

import logging
import sys

from hotpath import build
from hotpath.runtime.config import OTHER_HOST, ConfigError, StandbyConfig
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.placement import run_where_told

log = logging.getLogger("standby")


def main(files: JournalFiles | None = None) -> int:
    """Return the exit code: 0 stopped, 2 wrong settings, else as the engine that it became."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = StandbyConfig.from_environment()
        run_where_told()
        build.select_core()
    except (ConfigError, build.CoreBuildError, ValueError) as error:
        log.critical("%s", error)
        return 2
    # Only now: this import loads the core, from the build that was chosen.
    if config.placement == OTHER_HOST:
        from hotpath.runtime.standby.other_host import OtherHostStandby

        return OtherHostStandby(config, build.core_build(), files).run()
    from hotpath.runtime.standby.process import Standby

    return Standby(config, build.core_build(), files).run()


if __name__ == "__main__":
    sys.exit(main())
