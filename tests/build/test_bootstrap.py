"""Setting up from nothing: which Python is taken, what is said when something is missing."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import bootstrap
from infra.lock import ASKED_FOR, requirements_digest

LOCKS = sorted(bootstrap.LOCKS.glob("*.lock"))


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder that is the whole PATH, with nothing in it but what a shell script needs."""
    for name in ("dirname", "sh", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return tmp_path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose bootstrap.py only says who ran it."""
    infra = tmp_path / "checkout" / "infra"
    infra.mkdir(parents=True)
    shutil.copy(bootstrap.ROOT / "infra/bootstrap.sh", infra)
    (infra / "bootstrap.py").write_text("raise SystemExit('no real Python ran')\n")
    return infra.parent


def pretend_python(commands: Path, name: str, *, new_enough: bool, complete: bool = True) -> None:
    """Put a command there that answers the script's questions, and else prints its own name."""
    answer = f"""#!/bin/sh
case "$1 $2" in
    *version_info*) exit {0 if new_enough else 1};;
    *ensurepip*) exit {0 if complete else 1};;
    --version*) echo "Python 3.9.2";;
    *) echo {name} "$@";;
esac
"""
    (commands / name).write_text(answer, encoding="utf-8")
    (commands / name).chmod(0o755)


def run_script(checkout: Path, commands: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "infra/bootstrap.sh")],
        env={"PATH": str(commands)} | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_newest_python_whose_wheels_are_complete_is_taken(
    checkout: Path, commands: Path
) -> None:
    for name in ("python3.11", "python3.12", "python3.14", "python3"):
        pretend_python(commands, name, new_enough=True)
    assert run_script(checkout, commands).stdout.startswith("python3.12 ")


def test_a_newer_python_is_better_than_none(checkout: Path, commands: Path) -> None:
    pretend_python(commands, "python3", new_enough=False)
    pretend_python(commands, "python3.14", new_enough=True)
    assert run_script(checkout, commands).stdout.startswith("python3.14 ")


def test_a_complete_python_is_taken_before_one_that_lacks_a_part(
    checkout: Path, commands: Path
) -> None:
    pretend_python(commands, "python3.12", new_enough=True, complete=False)
    pretend_python(commands, "python3.11", new_enough=True)
    assert run_script(checkout, commands).stdout.startswith("python3.11 ")


def test_only_an_old_python_names_what_to_install(checkout: Path, commands: Path) -> None:
    pretend_python(commands, "python3", new_enough=False)
    done = run_script(checkout, commands)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found: Python 3.9.2" in done.stderr
    assert "apt-get install python3 python3-venv python3-dev" in done.stderr


def test_no_python_at_all_names_what_to_install(checkout: Path, commands: Path) -> None:
    done = run_script(checkout, commands)
    assert done.returncode == 1
    assert "found: no python3" in done.stderr


def test_a_wrong_choice_is_refused_by_name(checkout: Path, commands: Path) -> None:
    pretend_python(commands, "old", new_enough=False)
    done = run_script(checkout, commands, PYTHON="old")
    assert done.returncode == 1
    assert "PYTHON=old is not a Python >= 3.11" in done.stderr


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_names_its_package(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(bootstrap, "find_spec", lambda name: None if name == module else object())
    with pytest.raises(bootstrap.BootstrapError, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.create_environment()


def test_a_full_disk_is_said_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "none")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100 << 20))
    with pytest.raises(bootstrap.BootstrapError, match="2048 MiB of disk are needed, 100 MiB"):
        bootstrap.check_disk()


def test_a_disk_that_fills_up_meanwhile_is_said_plainly() -> None:
    program = "import sys; sys.exit('OSError: [Errno 28] No space left on device')"
    with pytest.raises(bootstrap.BootstrapError, match="the disk is full"):
        bootstrap.run([sys.executable, "-c", program])


@pytest.mark.parametrize("package", bootstrap.EMBEDDED)
def test_a_python_without_wheels_for_a_part_names_part_and_remedy(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    def refuse(*_arguments: str) -> None:
        raise bootstrap.BootstrapError(f"No matching distribution found for {package}==1")

    monkeypatch.setattr(bootstrap, "VENV", Path(sys.prefix))
    monkeypatch.setattr(bootstrap, "uv_environment", lambda: dict(os.environ))
    monkeypatch.setattr(bootstrap, "pip", refuse)
    with pytest.raises(bootstrap.BootstrapError, match=f"{package} has no wheel.*PYTHON=python3"):
        bootstrap.install_lock(Path("no-such.lock"))


@pytest.mark.parametrize("missing, package", [("gcc", "gcc or clang"), ("Python.h", r"-dev")])
def test_what_the_compiled_core_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    missing: str,
    package: str,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None if missing == "gcc" else "/bin/gcc")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    bootstrap.warn_if_it_cannot_compile()
    said = capsys.readouterr().out
    assert "the core will run interpreted" in said
    assert re.search(package, said)


def test_an_unchanged_environment_needs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = bootstrap.LOCKS / "local.lock"
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "installed.json")
    assert not bootstrap.is_installed(lock)
    bootstrap.STAMP.write_text(json.dumps(bootstrap.stamps(lock)), encoding="utf-8")
    assert bootstrap.is_installed(lock)
    bootstrap.STAMP.write_text(
        json.dumps(bootstrap.stamps(lock) | {lock.name: "of another lock"}),
        encoding="utf-8",
    )
    assert not bootstrap.is_installed(lock)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_one_version_and_a_hash(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert blocks
    for block in blocks:
        assert re.match(r"[a-z0-9._\[\],-]+==\S+", block), block[:80]
        assert "--hash=sha256:" in block, block[:80]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_index(lock: Path) -> None:
    assert "://" not in lock.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_is_made_from_what_the_project_asks_for_now(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert f"{ASKED_FOR}{requirements_digest()}" in lines, "run `make lock`"


@pytest.mark.parametrize("name, extras", [
    ("base.lock", []), ("local.lock", ["local", "dev"]), ("all.lock", ["local", "dev", "cdk"]),
])  # fmt: skip
def test_the_locks_hold_what_the_project_pins(name: str, extras: list[str]) -> None:
    project = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = project["dependencies"] + [
        pin for extra in extras for pin in project["optional-dependencies"][extra]
    ]
    text = (bootstrap.LOCKS / name).read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", text, flags=re.MULTILINE))
    for pin in pins:
        assert "==" in pin, f"{pin} is not exact"
        assert re.sub(r"\[.*?\]", "", pin) in locked
