"""`python -m hotpath.runtime.publisher`: chooses the build of the core and runs the publisher."""

import logging
import signal
import sys

from hotpath import build
from hotpath.runtime.config import ConfigError, PublisherConfig

log = logging.getLogger("publisher")


def main() -> int:
    """Return the exit code: 0 stopped, 1 the journal is refused, 2 wrong settings, 3 fenced."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = PublisherConfig.from_environment()
        build.select_core()
    except (ConfigError, build.CoreBuildError, ValueError) as error:
        log.critical("%s", error)
        return 2
    # Only now: this import loads the encoder, from the build that was chosen.
    from hotpath.runtime.publisher.process import PublisherProcess

    process = PublisherProcess(config)
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
