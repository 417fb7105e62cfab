"""Compares the core with the naive market: `python -m tests.reference --help`."""

import sys

from tests.reference.fuzz import main

if __name__ == "__main__":
    sys.exit(main())
