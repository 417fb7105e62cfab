"""Compiles the hot path with mypyc when HOTPATH_COMPILE=1; else the package is pure Python."""

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    """Return a module of the hot path by its file: its package need not be importable here."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"hotpath/{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


build, compiler_hints = load("build"), load("compiler_hints")

COMPILE = os.environ.get("HOTPATH_COMPILE") == "1"
RECORD = build.build_record(ROOT) if COMPILE else {}  # before the compiler reads the sources

# The core is written as many small functions, and a call costs as much as what most of them do. The
# first flag permits calls within the library to be inlined at all; the limits of gcc are raised
# because the error paths that mypyc writes exhaust them. clang takes and ignores the parameters.
INLINING = [
    "-fno-semantic-interposition",
    "-include",
    str(ROOT / "hotpath/core_build_hints.h"),
    "--param=max-inline-insns-auto=400",
    "--param=inline-unit-growth=300",
    "--param=large-function-growth=1000",
]


class RecordedBuild(build_py):  # type: ignore[misc]  # setuptools publishes no types
    """Writes into the wheel which sources its compiled modules were made from."""

    def run(self) -> None:
        super().run()
        if not COMPILE or self.editable_mode:
            return
        if build.build_record(ROOT) != RECORD:
            raise RuntimeError("a source of the core changed while it was being compiled")
        record = Path(self.build_lib, build.RECORD)
        record.write_text(json.dumps(RECORD, indent=2) + "\n", encoding="utf-8")


def extensions() -> list[object]:
    """Return one library for all modules, since calls between compiled units are slow."""
    if not COMPILE:
        return []
    from mypyc.build import mypycify

    # --config-file= : linting is `make lint`'s; here only what mypyc needs is checked.
    sources = [str(build.source_path(m, ROOT).relative_to(ROOT)) for m in build.COMPILED_MODULES]
    modules = list(
        mypycify(
            ["--config-file=", *sources],
            opt_level="2",  # 3 compiles for much longer, for nothing once calls are inlined
            strip_asserts=False,
            separate=False,
            group_name=build.GROUP_NAME,
        )
    )
    for module in modules:
        module.extra_compile_args = [*module.extra_compile_args, *INLINING]
        for source in map(Path, module.sources):
            if source.name == f"__native_{build.GROUP_NAME}.c":
                text = source.read_text(encoding="utf-8")
                source.write_text(compiler_hints.add_hints(text), encoding="utf-8")
    return modules


setup(ext_modules=extensions(), cmdclass={"build_py": RecordedBuild})
