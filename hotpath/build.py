"""Chooses which build of the core a process runs, compiled or interpreted, and proves it."""

import fcntl
import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULE_LIST: Final = "hotpath/compiled_modules.txt"
RECORD: Final = "hotpath/core_build.json"  # written into the wheel by setup.py
GROUP_NAME: Final = "trading_core"  # mypyc puts the code of all modules into one library
GROUP_MODULE: Final = f"{GROUP_NAME}__mypyc"
MODES: Final = ("compiled", "interpreted", "auto")


class CoreBuildError(Exception):
    """The core cannot be run as asked."""


class NoBuild(CoreBuildError):
    """There is no compiled build."""


class StaleBuild(CoreBuildError):
    """The compiled build was made from other sources, or for another Python."""


class CoreAlreadyLoaded(CoreBuildError):
    """A module of the core was imported, from the wrong build, before the choice was made."""


class BuildFailed(CoreBuildError):
    """The compiler is there, but the core does not compile."""


@dataclass(frozen=True, slots=True)
class CoreBuild:
    """The build of the core that this process runs, seen from its loaded modules."""

    compiled: bool
    source_hash: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreChoice:
    """The mode to put into TRADING_CORE, and why when it is not `compiled`."""

    mode: str
    reason: str = ""


def read_module_list(root: Path = ROOT) -> tuple[str, ...]:
    """Return the dotted names of the modules that are compiled."""
    lines = (root / MODULE_LIST).read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


COMPILED_MODULES: Final = read_module_list()


def source_path(module: str, root: Path = ROOT) -> Path:
    """Return the file that holds the source of a module."""
    return root.joinpath(*module.split(".")).with_suffix(".py")


def source_hash(root: Path = ROOT) -> str:
    """Return the SHA-256 over names and bytes of the compiled modules' sources, in hex."""
    digest = hashlib.sha256()
    for module in sorted(read_module_list(root)):
        source = source_path(module, root).read_bytes()
        digest.update(f"{module} {len(source)}\n".encode())
        digest.update(source)
    return digest.hexdigest()


def build_record(root: Path) -> dict[str, object]:
    """Return what a build says about itself: sources, modules, Python, mypyc and its runtime."""
    return {
        "source_hash": source_hash(root),
        "modules": list(read_module_list(root)),
        "python": sysconfig.get_config_var("EXT_SUFFIX"),
        "librt": metadata.version("librt"),
        "mypyc": metadata.version("mypy") if importlib.util.find_spec("mypyc") else None,
    }


def compiled_directory(root: Path = ROOT) -> Path:
    """Return where the compiled build is: beside the sources in an installed wheel, else off
    `sys.path` in the virtual environment, where `make wheel` unpacks it."""
    return root if (root / RECORD).exists() else Path(sys.prefix) / "compiled-core"


def check_build(root: Path = ROOT, directory: Path | None = None) -> Path:
    """Return the folder of a compiled build that equals the sources under `root`.

    Raises
    ------
    NoBuild
        There is none.
    StaleBuild
        It was made from other sources or for another Python.
    """
    directory = directory or compiled_directory(root)
    try:
        found = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoBuild("no compiled build of the core is there; run `make wheel`") from None
    wanted = build_record(root)
    if wanted["mypyc"] is None:  # a production host runs what it cannot build
        del wanted["mypyc"]
    for key, value in wanted.items():
        if found.get(key) != value:
            raise StaleBuild(
                f"the compiled core is not this checkout's ({key} differs); run `make wheel`"
            )
    missing = [file for file in _extension_files(root, directory).values() if not file.exists()]
    if missing:
        raise NoBuild(f"the compiled build lacks {missing[0].name}; run `make wheel`")
    return directory.resolve()  # a rebuild turns the name over to another folder


def select_core(
    mode: str | None = None, *, root: Path = ROOT, directory: Path | None = None
) -> CoreChoice:
    """Decide which build this process imports. Call it before anything imports the core.

    `mode` is compiled, interpreted or auto (compiled if a current build is there); without it the
    variable TRADING_CORE says, else auto. Modules of the list are then loaded from the chosen build
    only, wherever else `sys.path` may have them.

    Raises
    ------
    NoBuild, StaleBuild
        `compiled` was asked for and is not there, or not made from these sources.
    CoreAlreadyLoaded
        A module of the list was imported already from the other build.
    """
    mode = mode or os.environ.get("TRADING_CORE") or "auto"
    if mode not in MODES:
        raise ValueError(f"TRADING_CORE is {mode!r}; it must be one of {', '.join(MODES)}")
    reason = "" if mode == "compiled" else "asked for"
    files = {module: source_path(module, root) for module in read_module_list(root)}
    if mode != "interpreted":
        try:
            files = _extension_files(root, check_build(root, directory))
            reason = ""
        except CoreBuildError as error:
            if mode == "compiled":
                raise
            reason = str(error)
    _refuse_other_build(files)
    sys.meta_path[:] = [_CoreFinder(files)] + [
        finder for finder in sys.meta_path if not isinstance(finder, _CoreFinder)
    ]
    return CoreChoice("interpreted" if reason else "compiled", reason)


def core_build() -> CoreBuild:
    """Import the listed modules, and say from their own files which build this process runs.

    Raises CoreAlreadyLoaded when some are compiled and some are not.
    """
    files = [_file_of(importlib.import_module(module)) for module in COMPILED_MODULES]
    compiled = [file.endswith(".so") for file in files]
    if any(compiled) != all(compiled):
        mixed = ", ".join(file for file, is_so in zip(files, compiled, strict=True) if not is_so)
        raise CoreAlreadyLoaded(f"one part of the core is compiled and this is not: {mixed}")
    return CoreBuild(all(compiled), source_hash(), tuple(files))


def ensure_core_build(progress: Callable[[str], None] = lambda _line: None) -> CoreChoice:
    """Compile the core if its build is missing or stale, and say what a process can run.

    Raises BuildFailed when a compiler is there but the core does not compile.
    """
    if _is_current():
        return CoreChoice("compiled")
    obstacle = _why_not_compile()
    if obstacle:
        return CoreChoice("interpreted", obstacle)
    with _build_lock():
        if not _is_current():  # another process may have made it while this one waited
            progress("compiling the core")
            build_wheel()
    return CoreChoice("compiled")


def build_wheel(root: Path = ROOT) -> Path:
    """Build the wheel with the compiled core and unpack it; return the folder it is in.

    The name is turned over in one step, and the build before this one stays, so a process that
    starts meanwhile loads the old build or the new one, whole.
    """
    wheels, target = root / "build" / "wheel", Path(sys.prefix) / "compiled-core"
    for leftover in (*root.glob("build/lib*"), *root.glob("build/bdist*"), wheels):
        shutil.rmtree(leftover, ignore_errors=True)  # else a deleted module would be packed again
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    quick = ["--no-deps", "--no-index"]
    _run([*pip, "wheel", ".", *quick, "--no-build-isolation", "-w", str(wheels)], root)
    (wheel,) = wheels.glob("*.whl")
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    _run([*pip, "install", *quick, "--no-compile", "--target", str(fresh), str(wheel)], root)
    before = target.resolve()
    link = target.with_name(f"{target.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(target)
    for older in target.parent.glob(f"{target.name}-*"):
        if older not in (fresh, before):
            shutil.rmtree(older, ignore_errors=True)
    return target


class _CoreFinder(MetaPathFinder):
    """Loads exactly the modules of the core, each from the file that was chosen for it."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        return None if file is None else importlib.util.spec_from_file_location(fullname, file)


def _extension_files(root: Path, directory: Path) -> dict[str, Path]:
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    modules: tuple[str, ...] = read_module_list(root)
    if len(modules) > 1:  # mypyc makes no shared library for one module
        modules = (*modules, GROUP_MODULE)
    return {name: directory.joinpath(*name.split(".")).with_suffix(suffix) for name in modules}


def _file_of(module: ModuleType) -> str:
    return module.__file__ or ""


def _refuse_other_build(files: Mapping[str, Path]) -> None:
    for name, file in files.items():
        if name in sys.modules and Path(_file_of(sys.modules[name])).resolve() != file.resolve():
            raise CoreAlreadyLoaded(
                f"{name} was imported from {_file_of(sys.modules[name])} before the core was chosen"
            )


def _is_current() -> bool:
    try:
        check_build()
    except CoreBuildError:
        return False
    return True


def _why_not_compile() -> str:
    if not (ROOT / "setup.py").exists():
        return "this installation has no sources to compile"
    if importlib.util.find_spec("mypyc") is None:
        return "mypy is not installed (the `dev` extra has it)"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler}) is there; install the package gcc or clang"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"the headers of Python are missing; install the package python{version}-dev"
    return ""


@contextmanager
def _build_lock() -> Iterator[None]:
    with (Path(sys.prefix) / "compiled-core.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], root: Path) -> None:
    environment = os.environ | {"HOTPATH_COMPILE": "1"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(
            f"{' '.join(command[2:5])} failed:\n{(done.stdout + done.stderr)[-4000:]}"
        )


if __name__ == "__main__":  # `make wheel`
    with _build_lock():
        print("the compiled core is in", build_wheel())
