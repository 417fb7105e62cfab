"""Compares the core with the naive book: `python -m tests.reference --help`."""

import sys

from hotpath import build

if __name__ == "__main__":
    mode = build.select_core().mode  # before anything imports the core
    from tests.reference.fuzz import main

    sys.exit(main(mode))
