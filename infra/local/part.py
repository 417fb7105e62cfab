"""What a part of the local stack is: a value that says how to start, check and stop it."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local.settings import CHECKOUT, Settings

# Variables of the caller that a part needs to find programs and its language; no others leak in.
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "JAVA_HOME",
    "TRADING_CORE",
)

# Returns what `trading status` shows of a healthy part; raises health.Unhealthy otherwise.
HealthCheck = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: HealthCheck
    log_file: Path
    run_file: Path
    after: tuple[str, ...] = ()  # parts and steps that must be done first
    ports: tuple[int, ...] = ()
    folder: Path = CHECKOUT
    user: tuple[int, int] | None = None  # uid and gid to run as, when not the caller's
    prepare: Callable[[], None] | None = None  # run before each start: folders, first-time set-up
    late_arguments: Callable[[], tuple[str, ...]] | None = None  # known only once prepared
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 15.0
    start_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """Work of `up` between the starts of parts. `run` returns what the progress line adds."""

    name: str
    run: Callable[[], str]
    after: tuple[str, ...] = field(default=())


def base_environment() -> dict[str, str]:
    """Return what every part's environment begins with."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "TZ": "UTC", "PYTHONUNBUFFERED": "1"}


def aws_environment(settings: Settings) -> dict[str, str]:
    """Return what boto3 needs to reach the emulator; the credentials mean nothing outside it."""
    return {
        "AWS_ENDPOINT_URL": settings.aws_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def python_part(
    settings: Settings,
    name: str,
    module: str,
    *,
    environment: Mapping[str, str],
    health: HealthCheck,
    after: tuple[str, ...] = (),
    ports: tuple[int, ...] = (),
    prepare: Callable[[], None] | None = None,
    start_timeout_s: float = 30.0,
) -> Part:
    """Return a part that is a module of this project, run by this interpreter."""
    return Part(
        name=name,
        command=(sys.executable, "-m", module),
        environment={**base_environment(), **environment},
        health=health,
        log_file=settings.log_file(name),
        run_file=settings.run_file(name),
        after=after,
        ports=ports,
        prepare=prepare,
        start_timeout_s=start_timeout_s,
    )
