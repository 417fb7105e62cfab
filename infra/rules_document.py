"""Writes the tables of docs/RULES.md from the code and order_rules.toml; --check only compares.

    python -m infra.rules_document [--check]

The text around them is written by hand: what lies between `<!-- table: name -->` and
`<!-- end -->` is replaced.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from shared.domain.order_rules import DIMENSIONS, Combination, Refusal, order_rules
from shared.domain.reject_codes import CancelReason, RejectCode

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "RULES.md"
_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FAMILIES: Final = {1: "identity", 2: "form", 3: "state", 4: "price and size", 5: "risk", 6: "room"}


def rules_text() -> str:
    """Return docs/RULES.md with its tables as the code gives them now."""
    return _TABLE.sub(_filled, DOCUMENT.read_text(encoding="utf-8"))


def _filled(match: re.Match[str]) -> str:
    return f"{match[1]}\n{_TABLES[match[2]]()}\n{match[3]}"


def _rows(header: str, rows: Sequence[tuple[str, ...]]) -> str:
    columns = header.count("|") - 1
    lines = [header, "|" + "---|" * columns, *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _refused() -> str:
    rows = [(f"`{rule.code.name}`", _sets(rule), rule.why) for rule in order_rules().refusals]
    return _rows("| code | refuses | why |", rows)


def _sets(rule: Refusal) -> str:
    values = order_rules().values
    parts = [
        " ".join(value for value in values[dimension] if value in rule.named[dimension])
        for dimension in DIMENSIONS
        if dimension in rule.named
    ]
    if rule.any_flag:
        parts.append("any of " + " ".join(sorted(rule.any_flag)))
    if rule.all_flags:
        parts.append(" and ".join(sorted(rule.all_flags)))
    return "; ".join(parts)


def _matrix() -> str:
    """Show type x time in force in each session, for orders without flags or self-trade mode."""
    rules, rows = order_rules(), []
    for kind in rules.values["type"]:
        for time in rules.values["time_in_force"]:
            answers = [
                rules.refusal(Combination(kind, time, session, "ALLOWED", frozenset()))
                for session in rules.values["session"]
            ]
            rows.append((kind, time, *(str(code.value) if code else "✓" for code in answers)))
    sessions = " | ".join(name.replace("_", " ").lower() for name in rules.values["session"])
    return _rows(f"| type | time in force | {sessions} |", rows)


def _priority() -> str:
    rows = [(str(entry.number), entry.orders, entry.why) for entry in order_rules().priority]
    return _rows("| class | orders | why |", rows)


def _codes() -> str:
    rows = [(str(c.value), f"`{c.name}`", _FAMILIES[c.value // 100]) for c in RejectCode]
    return _rows("| number | code | family |", rows)


def _reasons() -> str:
    return _rows("| number | reason |", [(str(c.value), f"`{c.name}`") for c in CancelReason])


_TABLES: Final[dict[str, Callable[[], str]]] = {
    "refused": _refused,
    "matrix": _matrix,
    "priority": _priority,
    "codes": _codes,
    "reasons": _reasons,
}


def main(arguments: list[str]) -> int:
    """Write the document, or with --check return 1 if it is not current."""
    text = rules_text()
    current = DOCUMENT.read_text(encoding="utf-8") == text
    if "--check" in arguments:
        if not current:
            print(f"{DOCUMENT.name} is not current: run make generate", file=sys.stderr)
        return 0 if current else 1
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
