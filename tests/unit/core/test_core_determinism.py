"""The core is a function of its commands: no clock, chance, float or order of a set inside."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotpath.core import codes
from shared.domain.reject_codes import CancelReason, RejectCode

ROOT = Path(__file__).parents[3]
CORE = sorted((ROOT / "hotpath/core").glob("*.py"))
ALLOWED_IMPORTS = ("typing", "librt", "mypy_extensions", "hotpath.core", "shared.domain")
SNAPSHOT_IMPORTS = ("hashlib", "struct")
FORBIDDEN_NAMES = {"hash", "id", "set", "frozenset", "float", "time", "random", "open", "eval"}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_no_source_of_chance_is_in_the_core(path: Path) -> None:
    allowed = ALLOWED_IMPORTS + (SNAPSHOT_IMPORTS if path.stem == "snapshot" else ())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Set | ast.SetComp | ast.Div), where
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float | complex), where
        if isinstance(node, ast.Name):
            assert node.id not in FORBIDDEN_NAMES, where
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith(allowed), f"{where} imports {name}"


def test_the_plain_codes_are_those_of_the_enumerations() -> None:
    ours = {name: value for name, value in vars(codes).items() if name.isupper()}
    reasons = {name: value for name, value in ours.items() if name.startswith("CANCEL_")}
    refusals = {name: value for name, value in ours.items() if name not in reasons}
    assert refusals.pop("ACCEPTED") == 0
    engine_codes = {code.name: int(code) for code in RejectCode if code.name != "ENGINE_BUSY"}
    assert refusals == engine_codes
    assert sorted(reasons.values()) == sorted(int(reason) for reason in CancelReason)


def test_the_same_commands_give_the_same_hash_in_any_process() -> None:
    """Run the same commands in processes with other hash seeds; all end in one state."""
    outputs = {_run_elsewhere(seed) for seed in ("0", "1", "4242")}
    assert len(outputs) == 1
    assert outputs.pop().startswith("events=")


def _run_elsewhere(hash_seed: str) -> str:
    code = (
        "from hotpath import build; build.select_core()\n"
        "import hashlib\n"
        "from hotpath.core.api import Engine\n"
        "from tests.reference.command_mix import CommandMix\n"
        "mix, engine, events = CommandMix(7), Engine(), hashlib.sha256()\n"
        "for _ in range(3000):\n"
        "    engine.reset_events()\n"
        "    mix.observe(engine.apply_words(mix.draw()))\n"
        "    events.update(engine.events_bytes())\n"
        "print(f'events={events.hexdigest()} state={engine.state_hash()}')\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()
