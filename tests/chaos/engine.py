"""`python -m tests.chaos.engine`: the engine as it is, on files that note what is synced."""

import os
import sys
from pathlib import Path

from hotpath.runtime.__main__ import main
from hotpath.runtime.config import EngineConfig
from hotpath.runtime.journal.files import JournalFiles


def open_files(config: EngineConfig) -> JournalFiles:
    # Only now: this import loads what the chosen build of the core brings compiled.
    from tests.chaos.recording_files import files_for

    notes = Path(os.environ["CHAOS_NOTES"])
    return files_for(os.environ.get("CHAOS_BREAK", ""), notes, config.journal)


if __name__ == "__main__":
    sys.exit(main(open_files))
