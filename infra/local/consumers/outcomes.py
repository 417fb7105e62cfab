"""What an invocation came to, and what every wait may end in."""

from dataclasses import dataclass


class Stopped(Exception):
    """The process is asked to end; what is under way stays uncommitted."""


@dataclass(frozen=True, slots=True)
class Handled:
    """All records are handled but those at `failed_offsets`."""

    failed_offsets: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """The function raised: no record counts as handled."""

    error: str


Outcome = Handled | FunctionFailed
