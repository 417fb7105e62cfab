"""The lock files are made from what pyproject.toml asks for now, and name no index."""

import pytest

from infra.lock import ASKED_FOR, LOCKS, requirements_digest


@pytest.mark.parametrize("name", ["all.lock", "local.lock", "base.lock", "installer.lock"])
def test_a_lock_is_current(name: str) -> None:
    lines = (LOCKS / name).read_text(encoding="utf-8").splitlines()
    assert f"{ASKED_FOR}{requirements_digest()}" in lines, "run `make lock`"


@pytest.mark.parametrize("name", ["all.lock", "local.lock", "base.lock", "installer.lock"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_address(name: str) -> None:
    text = (LOCKS / name).read_text(encoding="utf-8")
    packages = [line for line in text.splitlines() if line and line[0].isalnum()]
    assert packages
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert "://" not in text
