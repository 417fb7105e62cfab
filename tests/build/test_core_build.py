"""Which build of the core runs: chosen by name, checked against sources, proved by its files."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from hotpath import build

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
MODULES = ("toycore.prices", "toycore.book")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a core of two modules, not compiled."""
    for name, text in {
        build.MODULE_LIST: "# what is compiled\n" + "\n".join(MODULES) + "\n",
        "toycore/__init__.py": '"""A small core."""\n',
        "toycore/prices.py": "TICK: int = 5\n",
        "toycore/book.py": "from toycore.prices import TICK\n\ndef best() -> int:\n"
        "    return 2 * TICK\n",
    }.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "checkout"


def pretend_build(checkout: Path, directory: Path, **changes: object) -> Path:
    """Write what a build leaves behind, with empty libraries."""
    for name in (*MODULES, build.GROUP_MODULE):
        library = directory.joinpath(*name.split(".")).with_suffix(SUFFIX)
        library.parent.mkdir(parents=True, exist_ok=True)
        library.touch()
    record = build.build_record(checkout) | changes
    (directory / build.RECORD).parent.mkdir(parents=True, exist_ok=True)
    (directory / build.RECORD).write_text(json.dumps(record), encoding="utf-8")
    return directory


def test_a_build_of_the_same_sources_is_current(checkout: Path, tmp_path: Path) -> None:
    directory = pretend_build(checkout, tmp_path / "compiled")
    assert build.check_build(checkout, directory) == directory


def test_without_a_build_the_message_says_how_to_make_one(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(build.NoBuild, match="make wheel"):
        build.check_build(checkout, tmp_path / "nothing")


@pytest.mark.parametrize("module", MODULES)
def test_an_edited_source_makes_the_build_stale(
    checkout: Path, tmp_path: Path, module: str
) -> None:
    directory = pretend_build(checkout, tmp_path / "compiled")
    with build.source_path(module, checkout).open("a", encoding="utf-8") as source:
        source.write("# edited\n")
    with pytest.raises(build.StaleBuild, match="source_hash differs"):
        build.check_build(checkout, directory)


def test_a_module_added_to_the_list_makes_the_build_stale(checkout: Path, tmp_path: Path) -> None:
    directory = pretend_build(checkout, tmp_path / "compiled")
    (checkout / "toycore/risk.py").touch()
    with (checkout / build.MODULE_LIST).open("a", encoding="utf-8") as modules:
        modules.write("toycore.risk\n")
    with pytest.raises(build.StaleBuild):
        build.check_build(checkout, directory)


@pytest.mark.parametrize("field", ["python", "mypyc", "librt"])
def test_another_python_compiler_or_runtime_makes_the_build_stale(
    checkout: Path, tmp_path: Path, field: str
) -> None:
    directory = pretend_build(checkout, tmp_path / "compiled", **{field: "another"})
    with pytest.raises(build.StaleBuild, match=f"{field} differs"):
        build.check_build(checkout, directory)


@pytest.mark.parametrize("module", [*MODULES, build.GROUP_MODULE])
def test_a_build_that_lacks_a_library_is_no_build(
    checkout: Path, tmp_path: Path, module: str
) -> None:
    directory = pretend_build(checkout, tmp_path / "compiled")
    directory.joinpath(*module.split(".")).with_suffix(SUFFIX).unlink()
    with pytest.raises(build.NoBuild, match="lacks"):
        build.check_build(checkout, directory)


def run_python(program: str, checkout: Path, mode: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from hotpath import build\n{program}"],
        cwd=build.ROOT,
        env=os.environ | {"TRADING_CORE": mode, "TOY": str(checkout), "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


CHOOSE = """
import os
from pathlib import Path
toy = Path(os.environ["TOY"])
choice = build.select_core(root=toy, directory=toy.parent / "compiled")
print(choice.mode, "|", choice.reason)
from toycore import book
print(book.best(), book.__file__)
"""


def test_interpreted_loads_the_sources_even_beside_a_library(checkout: Path) -> None:
    (checkout / f"toycore/book{SUFFIX}").touch()  # an in-place build would shadow the source
    done = run_python(CHOOSE, checkout, "interpreted")
    assert done.stdout.split() == ["interpreted", "|", "asked", "for", "10",
                                   str(checkout / "toycore/book.py")]  # fmt: skip


def test_auto_without_a_build_is_interpreted_and_says_why(checkout: Path) -> None:
    done = run_python(CHOOSE, checkout, "auto")
    assert done.stdout.startswith("interpreted | no compiled build")


def test_compiled_without_a_build_stops(checkout: Path) -> None:
    done = run_python(CHOOSE, checkout, "compiled")
    assert done.returncode != 0
    assert "NoBuild: no compiled build of the core is there" in done.stderr


def test_compiled_with_a_stale_build_stops(checkout: Path, tmp_path: Path) -> None:
    pretend_build(checkout, tmp_path / "compiled", source_hash="0" * 64)
    done = run_python(CHOOSE, checkout, "compiled")
    assert done.returncode != 0
    assert "StaleBuild" in done.stderr


def test_an_unknown_mode_is_refused(checkout: Path) -> None:
    assert "must be one of" in run_python(CHOOSE, checkout, "fast").stderr


def test_a_core_imported_before_the_choice_is_refused(checkout: Path, tmp_path: Path) -> None:
    pretend_build(checkout, tmp_path / "compiled")
    done = run_python("import toycore.prices\n" + CHOOSE, checkout, "compiled")
    assert "CoreAlreadyLoaded: toycore.prices was imported from" in done.stderr


PROVE = """
choice = build.select_core()
found = build.core_build()
print(choice.mode, found.compiled, sorted({file.rsplit(".", 1)[1] for file in found.files}))
"""


def test_the_project_proves_that_it_runs_interpreted() -> None:
    done = run_python(PROVE, build.ROOT, "interpreted")
    assert done.stdout.strip() == "interpreted False ['py']", done.stderr


def test_the_project_proves_that_it_runs_compiled() -> None:
    choice = build.ensure_core_build()
    if choice.mode != "compiled":
        pytest.skip(choice.reason)
    done = run_python(PROVE, build.ROOT, "compiled")
    assert done.stdout.strip() == "compiled True ['so']", done.stderr


def test_no_library_lies_beside_a_source() -> None:
    strays = [path for part in ("hotpath", "shared") for path in (build.ROOT / part).rglob("*.so")]
    assert strays == []


def test_without_a_compiler_the_core_is_interpreted_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(build, "compiled_directory", lambda _root: Path("/nowhere"))
    choice = build.ensure_core_build()
    assert choice.mode == "interpreted"
    assert "install the package gcc" in choice.reason


def test_a_current_build_is_not_made_again(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    build.ensure_core_build()
    steps: list[str] = []
    assert build.ensure_core_build(steps.append).mode == "compiled"
    assert steps == []
