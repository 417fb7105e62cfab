"""The style that a machine can check: short files that say what they hold, and no loose ends."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bootstrap import ROOT

MAX_LINES = 400
MAX_TEST_LINES = 510  # a suite may be one list of cases
MAX_FUNCTION_LINES = 80
CODE = ("functions/", "hotpath/", "infra/", "shared/", "stacks/", "tests/", "setup.py")
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sql", ".sh", ".txt", ".service", ""}
# What only streams may say to Redis, and which paths and hosts name one machine or one workplace.
STREAM_COMMANDS = re.compile(r"\b(XADD|XREADGROUP|XACK|xadd|xreadgroup|xack)\b")
MACHINE_PATHS = re.compile(r"/(?:root|work|home/\w+|Users/\w+)/")


def tracked(*suffixes: str) -> list[Path]:
    """Return the repository's own files with one of the suffixes."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).exists()
            and Path(name).suffix in suffixes]  # fmt: skip


def offenders(found: dict[Path, str]) -> str:
    return "\n".join(f"{path.relative_to(ROOT)}: {what}" for path, what in found.items())


SOURCES = [path for path in tracked(".py") if str(path.relative_to(ROOT)).startswith(CODE)]


def test_the_repository_has_sources() -> None:
    assert len(SOURCES) > 50


def test_every_file_says_in_its_first_sentence_what_lives_there() -> None:
    wrong = {}
    for path in SOURCES:
        if not path.read_text(encoding="utf-8").strip():
            continue  # an empty package marker
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = docstring.split("\n\n")[0]
        if not re.search(r"[.:…]$", first) or first[:1] in " -*":
            wrong[path] = first[:80] or "no docstring"
    assert not wrong, offenders(wrong)


def test_files_stay_short() -> None:
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    wrong = {}
    for path, lines in counts.items():
        name = str(path.relative_to(ROOT))
        limit = MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES
        if lines > limit:
            wrong[path] = f"{lines} lines"
    assert not wrong, offenders(wrong)


def test_functions_stay_short() -> None:
    wrong = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    wrong[path] = f"{node.name} has {lines} lines"
    assert not wrong, offenders(wrong)


def test_a_todo_names_its_owner() -> None:
    loose = re.compile(r"\b(TODO|FIXME)\b(?!\(\w+\))")
    wrong = {
        path: match.group()
        for path in SOURCES
        if path != Path(__file__) and (match := loose.search(path.read_text(encoding="utf-8")))
    }
    assert not wrong, offenders(wrong)


def test_no_file_names_a_machine() -> None:
    wrong = {
        path: match.group()
        for path in tracked(*TEXT)
        if path != Path(__file__)
        and (match := MACHINE_PATHS.search(path.read_text(encoding="utf-8", errors="replace")))
    }
    # The hosts' own first-boot scripts run as root, there.
    wrong = {path: what for path, what in wrong.items() if path.parent.name != "stacks"}
    assert not wrong, offenders(wrong)


def test_redis_streams_are_spoken_only_in_shared_streams() -> None:
    wrong = {
        path: match.group()
        for path in SOURCES
        if not path.is_relative_to(ROOT / "shared/streams")
        and not path.is_relative_to(ROOT / "tests")
        and (match := STREAM_COMMANDS.search(path.read_text(encoding="utf-8")))
    }
    assert not wrong, offenders(wrong)


def test_the_domain_needs_only_the_standard_library() -> None:
    allowed = sys.stdlib_module_names | {"shared", "mypy_extensions", "librt"}
    wrong: dict[Path, str] = {}
    for path in (ROOT / "shared/domain").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            foreign = [name for name in names if name.split(".")[0] not in allowed]
            if foreign:
                wrong[path] = foreign[0]
    assert not wrong, offenders(wrong)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "app.py"],
                         ids=lambda path: path.parent.name)  # fmt: skip
def test_handlers_talk_to_no_database(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\.execute\(|\bSELECT\b|\bINSERT\b|\bUPDATE\b", text)
