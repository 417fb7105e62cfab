"""On which processor cores a process of the hot path runs: TRADING_CPUS, applied by itself."""

import os
from collections.abc import Mapping

from hotpath.runtime.config import ConfigError


def run_where_told(given: Mapping[str, str] | None = None) -> frozenset[int]:
    """Keep this process, and the threads that it starts, to the cores of TRADING_CPUS.

    Return the cores that it runs on now; without the setting, those that it was started on. Raise
    ConfigError when the setting names none, or one that the process may not have.
    """
    values = os.environ if given is None else given
    text = values.get("TRADING_CPUS", "")
    if text:
        try:
            os.sched_setaffinity(0, cores(text))
        except (OSError, ValueError, OverflowError) as error:
            raise ConfigError(f"TRADING_CPUS={text}: {error}") from error
        except AttributeError as error:
            raise ConfigError("TRADING_CPUS: this system does not pin processes") from error
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def cores(text: str) -> set[int]:
    """Return the cores of a list like `2,4-6`; raise ValueError when it is none."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.strip().isdecimal() and (not last or last.strip().isdecimal())):
            raise ValueError(f"{part!r} is no core and no range of cores")
        run = range(int(first), int(last or first) + 1)
        if not 0 < len(run) <= 4_096:
            raise ValueError(f"{part!r} is no range of cores")
        found.update(run)
    return found
