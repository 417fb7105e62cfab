"""`make test`: the core's own suite on both builds of the core, then all other tests once."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from hotpath.build import ROOT, ensure_core_build


def main() -> int:
    """Run the three passes; return the exit code of the first that failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pytest", nargs="*", help="arguments for every pass, after --")
    options = parser.parse_args()

    started = time.monotonic()
    choice = ensure_core_build(_say)
    _say(f"core: {choice.mode} {choice.reason} ({time.monotonic() - started:.1f} s)")
    failures = [_run_pytest("interpreted", "core", options.pytest)]
    if choice.mode == "compiled":
        failures.append(_run_pytest("compiled", "core", options.pytest))
    else:
        _say(f"THE COMPILED CORE IS NOT TESTED: {choice.reason}")
    failures.append(_run_pytest(choice.mode, "not core", options.pytest))
    if any(failures):
        _say("failed: see above")
    return next((code for code in failures if code), 0)


def _run_pytest(mode: str, markers: str, arguments: Sequence[str]) -> int:
    _say(f"pytest -m '{markers}' with the core {mode}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", markers, "--durations=20", *arguments],
        cwd=ROOT,
        env=os.environ | {"TRADING_CORE": mode},
        check=False,
    ).returncode


def _say(line: str) -> None:
    print(f"== {line.strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
