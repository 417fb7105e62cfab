"""`python -m hotpath.runtime.replication`: copies the journal to Kafka, for mode `replicated`."""

import logging
import signal
import sys

from hotpath.runtime.config import ConfigError, ReplicatorConfig
from hotpath.runtime.replication.process import ReplicatorProcess


def main() -> int:
    """Return the exit code: as ReplicatorProcess.run, or 2 for wrong settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = ReplicatorConfig.from_environment()
    except (ConfigError, ValueError) as error:
        logging.getLogger("replicator").critical("%s", error)
        return 2
    process = ReplicatorProcess(config)
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
