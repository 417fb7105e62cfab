"""Measures the core alone: `python -m tests.bench --help`."""

import sys

from hotpath import build

if __name__ == "__main__":
    mode = build.select_core().mode  # before anything imports the core
    from tests.bench.engine import main

    sys.exit(main(mode))
