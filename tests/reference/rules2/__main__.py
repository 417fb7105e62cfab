"""Compares the core of rules 2 with the naive market: `python -m tests.reference.rules2 --help`."""

import sys

from tests.reference.rules2.fuzz import main

if __name__ == "__main__":
    sys.exit(main())
