"""Writes docs/api/openapi.json and docs/api/asyncapi.yaml from the code; --check only compares.

python -m infra.api_docs [--check]
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.api_docs_async import asyncapi_text
from infra.api_docs_http import openapi_text

CHECKOUT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final[dict[Path, Callable[[], str]]] = {
    CHECKOUT / "docs" / "api" / "openapi.json": openapi_text,
    CHECKOUT / "docs" / "api" / "asyncapi.yaml": asyncapi_text,
}


def stale() -> list[Path]:
    """Return the documents that are missing or differ from what the code gives."""
    return [
        file
        for file, render in DOCUMENTS.items()
        if not file.exists() or file.read_text(encoding="utf-8") != render()
    ]


def main(arguments: list[str]) -> int:
    """Write what is stale; with --check say so and return 1."""
    found = stale()
    for file in found:
        name = file.relative_to(CHECKOUT)
        if "--check" in arguments:
            print(f"{name} is not current: run python -m infra.api_docs", file=sys.stderr)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(DOCUMENTS[file](), encoding="utf-8")
        print(f"wrote {name}")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
