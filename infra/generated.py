"""Writes every file that is made from the code, or with --check fails if one is not current.

A generator is a module that writes its files when run, and with --check only compares.
"""

import subprocess
import sys
from typing import Final

GENERATORS: Final = ("infra.api_docs", "infra.backoffice_resources", "infra.rules_document")


def main() -> int:
    """Run all generators; return 1 if one failed."""
    failed = [
        module
        for module in GENERATORS
        if subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], check=False).returncode
    ]
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
