"""Reads `order_rules.toml` and answers for every combination: valid, or refused with which code."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

from shared.domain.reject_codes import RejectCode

RULES_FILE: Final = Path(__file__).with_name("order_rules.toml")
DIMENSIONS: Final[tuple[str, ...]] = ("type", "time_in_force", "session", "self_trade")
_FLAG_KEYS: Final = ("with", "all")


@dataclass(frozen=True)
class Combination:
    """What an order is, and the session that it meets; names as in the file."""

    type: str
    time_in_force: str
    session: str
    self_trade: str
    flags: frozenset[str]


@dataclass(frozen=True)
class Refusal:
    """Refuses every combination in the product of its sets."""

    code: RejectCode
    why: str
    named: Mapping[str, frozenset[str]]  # dimension -> the values that it refuses
    any_flag: frozenset[str]
    all_flags: frozenset[str]

    def applies(self, combination: Combination) -> bool:
        """Say whether this rule refuses the combination."""
        for dimension, values in self.named.items():
            if getattr(combination, dimension) not in values:
                return False
        if self.any_flag and not self.any_flag & combination.flags:
            return False
        return self.all_flags <= combination.flags


@dataclass(frozen=True)
class PriorityClass:
    """A rank among orders at one price; 1 trades first."""

    number: int
    orders: str
    why: str


@dataclass(frozen=True)
class OrderRules:
    """The whole file."""

    values: Mapping[str, tuple[str, ...]]
    refusals: tuple[Refusal, ...]
    priority: tuple[PriorityClass, ...]

    def refusal(self, combination: Combination) -> RejectCode | None:
        """Return the code that refuses the combination, or None if it is valid."""
        codes = [rule.code for rule in self.refusals if rule.applies(combination)]
        return min(codes, default=None)

    def combinations(self) -> Iterator[Combination]:
        """Yield every combination that there is."""
        flags = self.values["flags"]
        subsets = [
            frozenset(name for bit, name in enumerate(flags) if mask >> bit & 1)
            for mask in range(1 << len(flags))
        ]
        points = product(*(self.values[dimension] for dimension in DIMENSIONS))
        for (kind, time_in_force, session, self_trade), chosen in product(points, subsets):
            yield Combination(kind, time_in_force, session, self_trade, chosen)

    def table(self) -> dict[Combination, RejectCode | None]:
        """Return the answer to every combination."""
        return {combination: self.refusal(combination) for combination in self.combinations()}


@cache
def order_rules() -> OrderRules:
    """Return the rules of the file, which is read once per process."""
    return load(RULES_FILE)


def load(path: Path) -> OrderRules:
    """Read and check a file of rules.

    Raises
    ------
    ValueError
        When a rule names a value, a flag, a key or a code that does not exist.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    values = {name: tuple(listed) for name, listed in document["values"].items()}
    if set(values) != {*DIMENSIONS, "flags"}:
        raise ValueError(f"{path.name}: values must be {(*DIMENSIONS, 'flags')}")
    refusals = tuple(_refusal(entry, values) for entry in document["refuse"])
    priority = tuple(
        PriorityClass(entry["class"], entry["orders"], entry["why"])
        for entry in document["priority"]
    )
    return OrderRules(values, refusals, priority)


def _refusal(entry: dict[str, Any], values: Mapping[str, tuple[str, ...]]) -> Refusal:
    unknown = set(entry) - {"code", "why", *DIMENSIONS, *_FLAG_KEYS}
    named = {d: frozenset(entry[d]) for d in DIMENSIONS if d in entry}
    flags = [frozenset(entry.get(key, ())) for key in _FLAG_KEYS]
    for dimension, chosen in named.items():
        unknown |= chosen - set(values[dimension])
    for chosen in flags:
        unknown |= chosen - set(values["flags"])
    if unknown or entry["code"] not in RejectCode.__members__:
        raise ValueError(f"rule for {entry['code']}: unknown {sorted(unknown) or 'code'}")
    return Refusal(RejectCode[entry["code"]], entry["why"], named, *flags)
