"""The compiled unit is closed: its modules import nothing of ours but each other."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from hotpath import build

OURS = ("functions", "hotpath", "infra", "shared", "stacks", "tests")
RUNTIME = {"librt", "mypy_extensions"}


def imported_modules(source: Path) -> set[str]:
    """Return the modules that a source imports, `from package import module` included."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {it for it in inner if build.source_path(it).exists()}
            found |= modules or {str(node.module)}
    return found


@pytest.mark.parametrize("module", build.COMPILED_MODULES)
def test_a_compiled_module_imports_only_compiled_ones(module: str) -> None:
    for name in imported_modules(build.source_path(module)):
        top = name.split(".")[0]
        if top in OURS:
            assert name in build.COMPILED_MODULES, f"{module} imports {name}"
        else:
            assert top in RUNTIME or top in sys.stdlib_module_names, f"{module} imports {name}"


def test_the_list_names_each_module_once() -> None:
    assert len(set(build.COMPILED_MODULES)) == len(build.COMPILED_MODULES)


def test_the_whole_core_is_compiled() -> None:
    """`api` and the package itself only gather names for others; all that computes is listed."""
    core = {f"hotpath.core.{path.stem}" for path in (build.ROOT / "hotpath/core").glob("*.py")}
    assert core - set(build.COMPILED_MODULES) <= {"hotpath.core.__init__", "hotpath.core.api"}


def test_what_is_loaded_comes_from_the_chosen_build() -> None:
    found = build.core_build()
    for module in build.COMPILED_MODULES:
        assert importlib.import_module(module).__file__ in found.files
