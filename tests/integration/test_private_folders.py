"""PostgreSQL for root, which runs as another user: in folders that only root may enter."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.local import runner, settings
from infra.local.parts import postgres
from infra.local.progress import Progress
from infra.local.settings import Settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL changes user")


@pytest.fixture
def private_stack(tmp_path: Path) -> Iterator[Settings]:
    """A state folder below one that no other user may pass, as in a checkout under /root."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    ports = settings.reserve_ports()
    stack = Settings(private / "state", base_port=ports.base_port)
    stack.save()
    yield stack
    runner.stop_all([postgres.postgres(stack)], Progress(quiet=True))
    postgres.remove_data(stack)
    ports.release()


def test_data_moves_to_where_the_servers_user_can_reach_it(private_stack: Settings) -> None:
    part = postgres.postgres(private_stack)
    runner.start(part)
    data = private_stack.folder("postgres")
    assert data.is_symlink()
    assert data.resolve().stat().st_uid != 0
    with psycopg.connect(postgres.admin_dsn(private_stack), autocommit=True) as connection:
        connection.execute("create table kept ()")
    runner.stop_part(part)
    runner.start(part)
    with psycopg.connect(postgres.admin_dsn(private_stack)) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


def test_removing_the_data_leaves_nothing_outside_the_state_folder(
    private_stack: Settings,
) -> None:
    part = postgres.postgres(private_stack)
    runner.start(part)
    outside = private_stack.folder("postgres").resolve()
    runner.stop_part(part)
    postgres.remove_data(private_stack)
    assert not outside.exists()
    assert not private_stack.folder("postgres").is_symlink()


def test_programs_in_a_private_folder_are_copied_with_their_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres.installed_programs().parent
    private = tmp_path / "site-packages"
    shutil.copytree(package / "pginstall18", private / package.name / "pginstall18", symlinks=True)
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), private / libraries, symlinks=True)
    monkeypatch.setattr(postgres, "SYSTEM_FOLDER", reachable := Path("/var/tmp") / tmp_path.name)
    try:
        programs = postgres.readable_copy(private / package.name / "pginstall18")
        assert programs.is_relative_to(reachable)
        for name in ("initdb", "postgres"):
            subprocess.run([programs / name, "--version"], user="nobody", check=True, cwd="/")
        assert postgres.readable_copy(private / package.name / "pginstall18") == programs
    finally:
        shutil.rmtree(reachable, ignore_errors=True)
